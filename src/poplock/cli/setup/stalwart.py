"""Stalwart looks the client up in poplock's DNS zone, in the expression that allows relaying.

Read in Stalwart 0.16 (August 2026), not run: `allowRelaying` of MtaStageRcpt (its reference, and
crates/smtp/src/inbound/rcpt.rs: without a clear "yes" it says 550 5.1.2), `dns_query` and
`ip_reverse_name` (crates/common/src/expr/functions), the order of `||`, `==` and `+`
(expr/parser.rs), an error in an expression (expr/eval.rs: no value, so no relaying).

The value is compared, and not only looked for: a resolver that answers every name with an address
of its own would open the relay otherwise. Not `sql_query` over the `sqlite` map: Stalwart opens a
store for writing, turns it into a WAL database (crates/store/src/backend/sqlite/main.rs) and keeps
it open, while poplock's copy is replaced by rename.
"""

from ...config import Config
from .dns_zone import zone_for


def lines(config: Config) -> str:
    """The expression, and a resolver that finds the zone."""
    answer = zone_for("Stalwart", config)
    socket, zone = answer.socket(), answer.zone.rstrip(".")
    client = f"ip_reverse_name(remote_ip) + '.{zone}'"
    return f"""\
# From the documentation and source of Stalwart 0.16, not run here.
# Settings > MTA > Session > RCPT TO Stage, "allowRelaying" (before 0.16: session.rcpt.relay):
!is_empty(authenticated_as) || dns_query({client}, 'ipv4')[0] == '127.0.0.2'

# Stalwart has one resolver for everything, and must not have poplock among its servers: the zone is
# all that poplock knows. Let the resolver on this host ask it; unbound does with
server:
    do-not-query-localhost: no
    domain-insecure: "{zone}"
stub-zone:
    name: "{zone}"
    stub-addr: {socket.host}@{socket.port}
# It may not lengthen a TTL (cache-min-ttl, serve-expired): poplock's is 0, so that an end is one.

# It works when, after a POP or IMAP login from another host, `poplock check ADDRESS` says permit
# and that host's mail to a foreign domain is accepted. All others hear 550 5.1.2 Relay not allowed,
# also while poplock is down: an expression can't say "try again".
# Stop poplock once and see that it relays for nobody.
"""
