"""What goes into rsyslog's configuration so that it hands logins on to poplock."""

from ipaddress import ip_address

from ...config import Config
from ...config.listen import Listen
from ...config.sources import SyslogSettings
from ...core.errors import PoplockError

_HEAD = """\
# /etc/rsyslog.d/60-poplock.conf
# Put your server's own tags in the condition: dovecot, imapd, pop3d, popa3d ...
# RFC 3339 stamps, so that what waited in a queue counts from its own time.
"""
_FOOT = """\
# Then: rsyslogd -N1 && systemctl restart rsyslog
# It works when `poplock status` counts events of the source.
"""
_TLS = """\
    # On the sender, packages rsyslog-openssl (or rsyslog-gnutls, with "gtls"), and its own files:
    StreamDriver="ossl" StreamDriverMode="1"
    StreamDriverAuthMode="x509/name" StreamDriverPermittedPeers="NAME-IN-OUR-CERTIFICATE"
    StreamDriver.CAFile="/etc/ssl/ca.pem"
    StreamDriver.CertFile="/etc/ssl/sender.pem" StreamDriver.KeyFile="/etc/ssl/sender.key"
"""


def lines(config: Config) -> str:
    """An action for each socket of the syslog sources."""
    sources = [s for s in config.source if isinstance(s, SyslogSettings)]
    if not sources:
        raise PoplockError(
            "the configuration has no source for syslog; add to it:\n\n"
            '[[source]]\ntype = "syslog"\nlisten = ["unixgram:/run/poplock/syslog.sock"]\n'
            'group = "adm"\ndialects = ["dovecot"]'
        )
    actions = [_action(at, s.tls is not None) for s in sources for at in s.sockets()]
    return _HEAD + "".join(actions) + _FOOT


def _action(listen: Listen, tls: bool) -> str:
    if listen.host is None:
        return (
            'module(load="omuxsock")\n'
            f"$OMUxSockSocket {listen.path}\n"
            "if $programname == 'dovecot' then :omuxsock:;RSYSLOG_ForwardFormat\n"
        )
    target = "NAME-OF-THIS-HOST" if ip_address(listen.host).is_unspecified else listen.host
    stream = not listen.datagram
    return (
        "if $programname == 'dovecot' then action(type=\"omfwd\"\n"
        f'    target="{target}" port="{listen.port}"'
        + (' protocol="tcp" TCP_Framing="octet-counted"\n' if stream else ' protocol="udp"\n')
        + '    template="RSYSLOG_ForwardFormat"\n'
        + (_TLS if stream and tls else "")
        + '    queue.type="LinkedList" action.resumeRetryCount="-1")\n'
    )
