"""What goes into rsyslog's configuration so that it hands logins on to poplock."""

from ...config import Config
from ...config.listen import Listen
from ...config.sources import SyslogSettings
from ...core.errors import PoplockError

_TLS = """\
    # On the sender, packages rsyslog-openssl (or rsyslog-gnutls, with "gtls"), and its own files:
    StreamDriver="ossl" StreamDriverMode="1"
    StreamDriverAuthMode="x509/name" StreamDriverPermittedPeers="NAME-IN-OUR-CERTIFICATE"
    StreamDriver.CAFile="/etc/ssl/ca.pem"
    StreamDriver.CertFile="/etc/ssl/sender.pem" StreamDriver.KeyFile="/etc/ssl/sender.key"
"""


def lines(config: Config) -> str:
    """An action for each socket of the first syslog source."""
    source = next((s for s in config.source if isinstance(s, SyslogSettings)), None)
    if source is None:
        raise PoplockError(
            "the configuration has no source for syslog; add to it:\n\n"
            '[[source]]\ntype = "syslog"\nlisten = ["unixgram:/run/poplock/syslog.sock"]\n'
            'group = "adm"\ndialects = ["dovecot"]'
        )
    actions = [_action(listen, source.tls is not None) for listen in source.sockets()]
    return (
        "# /etc/rsyslog.d/60-poplock.conf\n"
        "# Put your server's own tags in the condition: dovecot, imapd, pop3d, popa3d ...\n"
        "# RFC 3339 stamps, so that what waited in a queue counts from its own time.\n"
        + "".join(actions)
        + "# Then: rsyslogd -N1 && systemctl restart rsyslog\n"
        "# It works when `poplock status` counts events of " + source.title + ".\n"
    )


def _action(listen: Listen, tls: bool) -> str:
    if listen.kind == "unixgram":
        return (
            'module(load="omuxsock")\n'
            f"$OMUxSockSocket {listen.path}\n"
            "if $programname == 'dovecot' then :omuxsock:;RSYSLOG_ForwardFormat\n"
        )
    stream = listen.kind == "inet"
    return (
        "if $programname == 'dovecot' then action(type=\"omfwd\"\n"
        f'    target="{listen.host}" port="{listen.port}"'
        + (' protocol="tcp" TCP_Framing="octet-counted"\n' if stream else ' protocol="udp"\n')
        + '    template="RSYSLOG_ForwardFormat"\n'
        + (_TLS if stream and tls else "")
        + '    queue.type="LinkedList" action.resumeRetryCount="-1")\n'
    )
