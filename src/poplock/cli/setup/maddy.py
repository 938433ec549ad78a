"""Maddy can't relay by address: what to do instead, and why.

Read in Maddy's documentation and source (0.9.4, May 2026), not run: reference/smtp-pipeline.md
(blocks go by sender and recipient; checks are filters), reference/checks/command.md and actions.md
(`ignore` and `quarantine` let a message pass; targets/remote refuses a quarantined one),
third-party/dovecot.md (no relaying on port 25, not even for localhost), maddy.conf.
"""

from ...config import Config
from ...core.errors import PoplockError

_WHY = """\
Maddy can't ask poplock: it relays by sender and recipient, never by the client's address.
A check (check.command with {source_ip}) only refuses. A relay for everybody, guarded by a check
that asks poplock, is an open relay as soon as the check is lost, stands in another block, or its
exit code is set to "ignore". Don't build that.
(From the documentation and source of Maddy 0.9.4, not run here.)

What to do:
1. SMTP AUTH on Maddy's submission endpoint, which its maddy.conf has already; without poplock.
2. For devices that can't: another MTA on port 25, which asks poplock and sends their mail itself,
   and passes that for your own domains on to Maddy on loopback, for instance
       smtp tcp://127.0.0.1:2525 { ... }
   with the block that port 25 has now. poplock needs the logins of a POP or IMAP server that logs
   them; Maddy doesn't (docs/how-to/pop/maddy.md says what can stand before it).
"""
_MISSING = """
The configuration has nothing yet that an MTA in front could ask; for Postfix add to it:

[[answer]]
type = "postfix_policy"
listen = "inet:127.0.0.1:10031"

and see what `poplock setup postfix` says.
"""


def lines(config: Config) -> str:
    """The advice. It is an error as long as nothing could ask poplock."""
    if not config.answer and not config.map:
        raise PoplockError(_WHY + _MISSING)
    return f"{_WHY}   For its lines: poplock setup postfix, or the name of another MTA.\n"
