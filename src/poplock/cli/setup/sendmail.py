r"""Sendmail asks poplock by a socketmap, or looks into a hash that poplock has made.

The rules ask after Sendmail's own ones: mail for this host, and that of clients who may relay
anyway, never waits for poplock. They match what is found and nothing else. Rules of the form "all
that is not `no`" make an open relay of a map that is down.

The text is an m4 file to be included, because tabs part the two sides of a rule and don't survive a
terminal. m4 reads nothing behind `dnl`; in other comments it does, quotes and all.
"""

from ...config import Config
from ...config.answers import SocketmapSettings
from ...config.listen import Listen
from ...config.maps import TextSettings
from ...core.errors import PoplockError

_MAKE = "makemap hash $0 && chmod 644 $0"  # makemap's 0640 is closed to Sendmail, if not its own
_LACKING = f"""\
the configuration has neither an answer nor a map for Sendmail; add to it one of:

[[answer]]
type = "socketmap"
listen = "inet:127.0.0.1:10032"

[[map]]
type = "text"
form = "sendmail"
path = "/run/poplock/sendmail"
after = ["/bin/sh", "-c", "{_MAKE}", "/run/poplock/sendmail.db"]
"""


def lines(config: Config) -> str:
    """A file for m4."""
    declaration, lookup = _map(config)
    return f"""\
dnl Tabs matter here, so write this into a file and do not paste it:
dnl   poplock setup sendmail > /etc/mail/m4/poplock.m4
dnl At the end of /etc/mail/sendmail.mc:
dnl   include(`/etc/mail/m4/poplock.m4')dnl
dnl Then: make -C /etc/mail && systemctl reload sendmail
dnl Where there is a Local_check_rcpt already, put these rules before its own.
dnl
dnl To see it work, after a POP or IMAP login from 203.0.113.9:
dnl   echo "Poplock_grant 203.0.113.9" | sendmail -bt
dnl ends in < OK >, and in NO without the login.
LOCAL_CONFIG
{declaration}

LOCAL_RULESETS
# May this client relay? Ends in <OK>, in <TMPF> where nobody can say, or is NO.
SPoplock_grant
{lookup}

SLocal_check_rcpt
R<>	$@ <>
# for us, or from somebody who may relay without poplock: the usual rules decide
R$*	$: $1 $| $>"Rcpt_ok" $1
R$* $| RELAY	$@ $1
R$* $| $#$*	$@ $1
R$* $| $*	$: $1 $| $>"Relay_ok" $1
R$* $| RELAY	$@ $1
# only a positive mark lets pass
R$* $| $*	$: $1 $| $>"Poplock_grant" $&{{client_addr}}
R$* $| $* <OK>	$#OK
R$* $| $* <TMPF>	$#error $@ 4.7.1 $: "451 relay authorization unavailable, try again later"
R$* $| $*	$@ $1
"""


def _map(config: Config) -> tuple[str, str]:
    """The K line, and rules that look an address up."""
    for answer in config.answer:
        if isinstance(answer, SocketmapSettings):
            return _socketmap(answer), "R$*\t$: $(poplock $1 $: NO $)"
    for settings in config.map:
        if isinstance(settings, TextSettings) and settings.form == "sendmail":
            return _hash(settings), (
                "R$*\t$: $1 $| $(poplock Connect:$1 $: NO $)\n"
                "# IPv6: then the network, one group less each time\n"
                "R$* : $- $| NO\t$1 $| $(poplock Connect:$1 $: NO $)\n"
                "R$* $| $*\t$: $2"
            )
    raise PoplockError(_LACKING)


def _socketmap(answer: SocketmapSettings) -> str:
    socket = Listen.read(answer.listen)
    family = "inet6" if socket.host and ":" in socket.host else "inet"
    where = f"local:{socket.path}" if socket.path else f"{family}:{socket.port}@{socket.host}"
    if answer.maps[0] != "poplock":
        raise PoplockError(
            f"Sendmail asks by its map's name: let the first of `maps` of {answer.listen}"
            ' be "poplock"'
        )
    # -d: without it a daemon that hangs is waited for until the client has had enough.
    return f"Kpoplock socket -d3 -T<TMPF> -a<OK> {where}"


def _hash(settings: TextSettings) -> str:
    made = f"{settings.path}.db"
    if made not in settings.after:
        raise PoplockError(
            f"nothing makes a hash of {settings.path}; give it\n\n"
            f'after = ["/bin/sh", "-c", "{_MAKE}", "{made}"]'
        )
    return f"Kpoplock hash -T<TMPF> -a<OK> {settings.path}"
