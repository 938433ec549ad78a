"""KumoMTA looks the client up in poplock's DNS zone when it connects, in Lua.

Read in KumoMTA's reference (August 2026), not run: kumo.dns.rbl_lookup and define_resolver (both
since 2025.12.02; a named resolver asks poplock and nobody else), the event
smtp_server_get_dynamic_parameters (since 2025.05.06), relay_hosts, connectionmeta
(`received_from`), kumo.on (one handler for an event). In crates/kumod/src/smtp_server.rs: a table
without relay_hosts leaves those of the listener, one with it replaces them.

Not get_listener_domain, although it comes at RCPT: with `relay_to` it would have to know which
domains are the operator's, and its answer also decides on feedback loops and bounces.
"""

from ...config import Config
from .dns_zone import zone_for


def lines(config: Config) -> str:
    """Lines for init.lua."""
    answer = zone_for("KumoMTA", config)
    socket, zone = answer.socket(), answer.zone.rstrip(".")
    host = f"[{socket.host}]" if ":" in str(socket.host) else socket.host
    return f"""\
-- For 2025.12.02 and later. From KumoMTA's documentation and source of August 2026, not run here.
-- /opt/kumomta/etc/policy/init.lua

-- inside your kumo.on('init', ...):
kumo.dns.define_resolver('poplock', {{
  Hickory = {{ name_servers = {{ '{host}:{socket.port}' }} }},
}})

-- outside of it. KumoMTA keeps one handler for an event: if you have one, merge the two.
kumo.on('smtp_server_get_dynamic_parameters', function(listener, conn_meta)
  local peer = conn_meta:get_meta 'received_from'
  local ok, answer = pcall(kumo.dns.rbl_lookup, peer, '{zone}', 'poplock')
  if ok and answer == '127.0.0.2' then
    local ip = peer:match '^%[(.+)%]:%d+$' or peer:match '^([%d.]+):%d+$'
    -- This replaces the listener's own relay_hosts: repeat here what stands there.
    return {{ relay_hosts = {{ '127.0.0.1', '::1', ip }} }}
  end
  return {{}}
end)

-- It works when, after a POP or IMAP login from another host, `poplock check ADDRESS` says permit
-- and that host's mail to a foreign domain is accepted. All others hear 550 5.7.1, also while
-- poplock is down. The question is asked at connect: who logs in later has to connect again, and
-- who is revoked may go on until the connection ends.
-- Stop poplock once and see that it relays for nobody.
"""
