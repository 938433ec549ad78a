"""Byte formats that several rooms share."""
