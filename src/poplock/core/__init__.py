"""The words and the rules. Imports the standard library only and touches nothing outside."""
