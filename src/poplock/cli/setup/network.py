"""The clients of WHOSON, DRAC and RADIUS accounting."""

from ...config import Config
from ...config.listen import Listen
from ...config.sources import DracSettings, RadiusSettings, WhosonSettings
from ...core.errors import PoplockError


def whoson(config: Config) -> str:
    """Lines for whoson.conf."""
    source = next((s for s in config.source if isinstance(s, WhosonSettings)), None)
    if source is None:
        raise PoplockError(
            "the configuration has no source for WHOSON; add to it:\n\n"
            '[[source]]\ntype = "whoson"\nlisten = ["udp:127.0.0.1:9876"]'
        )
    return f"""\
# Each client's whoson.conf names its servers in `client` entries; poplock listens on
{_where(source.sockets())}
# LOGIN and LOGOUT are taken from {_texts(source.peers)} (peers),
# QUERY is answered to {_texts(source.ask)} (ask).
# It works when this says +LOGIN OK from one of the peers:
#   printf 'LOGIN 203.0.113.9 ann\\n\\n' | nc -u -w1 HOST PORT
# and then: poplock check 203.0.113.9
"""


def _where(sockets: list[Listen]) -> str:
    names = {"udp": "udp", "inet": "tcp", "unix": "unix", "unixgram": "unixd"}  # whoson.conf's
    places = (f"host {s.host}, port {s.port}" if s.path is None else s.path for s in sockets)
    return "\n".join(f"#   {names[s.kind]}: {p}" for s, p in zip(sockets, places, strict=True))


def drac(config: Config) -> str:
    """What to do on the relay host and at the POP servers."""
    source = next((s for s in config.source if isinstance(s, DracSettings)), None)
    if source is None:
        raise PoplockError(
            "the configuration has no source for DRAC; add to it:\n\n"
            '[[source]]\ntype = "drac"\n'
            'listen = ["udp:0.0.0.0:10901", "inet:0.0.0.0:10901"]\n'
            'allow_file = "/etc/drac/dracd.allow"'
        )
    where = (
        "# They ask rpcbind for the port, so it must run here: apt install rpcbind"
        if source.portmapper
        else "# portmapper is off: only clients that are told the port can call"
    )
    callers = _texts(source.peers)
    if source.allow_file is not None:
        callers += f" and those in {source.allow_file}"
    return f"""\
# Clients of DRAC need no change: they name this host already.
{where}
#   {_texts(source.listen)}
# Calls are taken from {callers}.
# Stop rpc.dracd first: two servers can't have one program number.
# It works when:
rpcinfo -p                          # lists 900101, versions 1 and 2
rpcinfo -T udp 127.0.0.1 900101     # program 900101 version 1 ready and waiting
"""


def radius(config: Config) -> str:
    """What the access servers need to know, and how to try it."""
    source = next((s for s in config.source if isinstance(s, RadiusSettings)), None)
    if source is None:
        raise PoplockError(
            "the configuration has no source for RADIUS; add to it:\n\n"
            '[[source]]\ntype = "radius"\nlisten = ["udp:192.0.2.25:1813"]\n'
            'clients_file = "/etc/poplock/radius-clients"'
        )
    listen = source.sockets()[0]
    return f"""\
# Access servers send accounting to {listen.host} port {listen.port}, each with the secret that
# {source.clients_file} has for its network.
# It works when this says Received Accounting-Response (radclient is in freeradius-utils), and
# poplock list shows the user:
printf '%s\\n' 'Acct-Status-Type = Start' 'Acct-Session-Id = "try"' 'User-Name = "ann"' \\
    'Framed-IP-Address = 203.0.113.9' | radclient {listen.host}:{listen.port} acct THE-SECRET
"""


def _texts(texts: tuple[str, ...]) -> str:
    return ", ".join(texts) or "nobody"
