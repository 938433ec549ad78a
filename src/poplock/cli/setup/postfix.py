"""Postfix asks poplock's policy service."""

from ...config import Config
from ...config.answers import PostfixPolicySettings
from ...config.listen import Listen
from ...core.errors import PoplockError

_CHROOT = "/var/spool/postfix/"


def lines(config: Config) -> str:
    """Lines for main.cf."""
    answer = next((a for a in config.answer if isinstance(a, PostfixPolicySettings)), None)
    if answer is None:
        raise PoplockError(
            "the configuration has no answer for Postfix; add to it:\n\n"
            '[[answer]]\ntype = "postfix_policy"\nlisten = "inet:127.0.0.1:10031"'
        )
    service, note = _postfix_service(answer.listen)
    return f"""\
# /etc/postfix/main.cf
# permit_auth_destination stands before the check: mail for your own domains never waits for
# poplock. The action in braces is what a relay attempt gets while poplock is down: a 4xx.
smtpd_relay_restrictions =
    permit_mynetworks,
    permit_sasl_authenticated,
    permit_auth_destination,
    check_policy_service {{ {service}, timeout=3s,
        {{ default_action = DEFER relay authorization unavailable }} }},
    reject_unauth_destination
{note}
# Then: postfix check && postfix reload
# It works when, after a POP or IMAP login from another host, the log says
#   poplock: permit ADDRESS: login of USER ...
# and that host's mail to a foreign domain is accepted.
"""


def _postfix_service(listen: str) -> tuple[str, str]:
    socket = Listen.read(listen).path
    if socket is None:
        return listen, ""
    if socket.startswith(_CHROOT):
        return f"unix:{socket.removeprefix(_CHROOT)}", ""
    return f"unix:{socket}", (
        f"# Debian runs smtpd in a chroot, where {socket} is out of reach. Let poplock listen on\n"
        f'# "unix:{_CHROOT}poplock/policy.sock" or on "inet:127.0.0.1:10031" instead, or take the\n'
        '# chroot away (the "y" of smtp in master.cf).\n'
    )
