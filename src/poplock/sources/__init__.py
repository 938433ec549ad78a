"""Where logins are learnt. One way a file."""
