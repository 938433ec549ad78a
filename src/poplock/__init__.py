"""POP/IMAP-before-SMTP: a login earns an address an hour of relaying."""

__version__ = "0.1.0"
