"""Haraka asks by a plugin of a few lines over the line protocol."""

from ...config import Config
from ...config.answers import LineSettings
from ...core.errors import PoplockError


def lines(config: Config) -> str:
    """Where the plugin goes, and its settings."""
    for answer in config.answer:
        if isinstance(answer, LineSettings) and (path := answer.socket().path) is not None:
            return f"""\
# In config/plugins, of Haraka's folder: a line "poplock" behind the plugins that accept recipients
# of your own domains, such as rcpt_to.in_host_list. The plugin is among poplock's examples:
#   cp examples/haraka/poplock.js HARAKA/plugins/

# In config/poplock.ini:
path={path}

# Haraka's user needs the socket: group = "haraka" in the [[answer]].
# Then restart Haraka. It works when, after a POP or IMAP login from another host,
# `poplock check ADDRESS` says permit and that host's mail to a foreign domain is accepted.
"""
    raise PoplockError(
        "the configuration has no answer for Haraka; add to it:\n\n"
        '[[answer]]\ntype = "line"\nlisten = "unix:/run/poplock/line.sock"\ngroup = "haraka"'
    )
