"""Dovecot told to speak to poplock over HTTP: its auth policy client and its event exporter.

2.3 and 2.4 write the same things differently; the lines are those of the Dovecot on this host, and
both where there is none.
"""

import secrets
import shutil
import subprocess
from collections.abc import Callable

from ...config import Config
from ...config.sources import DovecotAuthPolicySettings, DovecotEventsSettings, KeyedSettings
from ...core.errors import PoplockError

_FILE = "/etc/dovecot/conf.d/99-poplock.conf"

_PROOF = {
    "2.3": """\
# Into EACH passdb {{ }} block whose users may relay (conf.d/auth-*.conf.ext):
#     override_fields = poplock=yes
# A field that a passdb sets for a right password only: it proves the login. Without it poplock
# answers "go on" and records nothing, so a stranger with a wrong password can't earn a grant.
""",
    "2.4": """\
# Into EACH passdb NAME {{ }} block whose users may relay:
#     fields {{
#       poplock = yes
#     }}
# A field that a passdb sets for a right password only: it proves the login. Without it poplock
# answers "go on" and records nothing, so a stranger with a wrong password can't earn a grant.
""",
}

_ATTRIBUTES = {
    "2.3": """\
auth_policy_request_attributes = login=%{{user}} remote=%{{rip}} protocol=%s \\
  session_id=%{{session}} master_user=%{{master_user}} authenticated=%{{passdb:poplock}}
""",
    "2.4": """\
auth_policy_request_attributes {{
  login = %{{user}}
  remote = %{{remote_ip}}
  protocol = %{{protocol}}
  session_id = %{{session}}
  master_user = %{{master_user}}
  authenticated = %{{passdb:poplock}}
  pwhash =
  device_id =
  fail_type =
}}
""",
}

_TIME_LIMIT = {
    "2.3": "auth_policy_server_timeout_msecs = 500\n",
    "2.4": "auth_policy {\n  http_client_request_absolute_timeout = 500ms\n}\n",
}

_EXPORTER = {
    "2.3": """\
event_exporter poplock {{
  format = json
  format_args = time-rfc3339
  transport = http-post
  transport_args = {url}/dovecot/events
}}
""",
    "2.4": """\
event_exporter poplock {{
  driver = http-post
  format = json
  time_format = rfc3339
  http_post_url = {url}/dovecot/events
}}
""",
}

_METRICS = """\
metric poplock_login {{
  filter = event=auth_request_finished AND success=yes
  exporter = poplock
  exporter_include = name timestamps fields
}}
metric poplock_logout {{
  filter = event=mail_user_session_finished
  exporter = poplock
  exporter_include = name timestamps categories fields
}}
"""


def policy_lines(config: Config) -> str:
    """Lines for the auth policy client; with those of the exporter where sessions are wanted."""
    found = _source(config, DovecotAuthPolicySettings)
    return _for_each_version(lambda version: policy(found, version))


def event_lines(config: Config) -> str:
    """Lines for the event exporter."""
    found = _source(config, DovecotEventsSettings)
    return _for_each_version(lambda version: events(found, version))


def policy(source: KeyedSettings, version: str) -> str:
    """The lines of one version, 2.3 or 2.4."""
    header = ""
    if source.api_key_file is not None:
        header = (
            f"auth_policy_server_api_header = X-API-Key: KEY   # KEY: see {source.api_key_file}\n"
        )
    lines = f"""\
# {_FILE} (Dovecot {version})
# Way 1: Dovecot waits for poplock before it tells the client that the login succeeded, so a client
# that sends at once is never refused. While poplock is down, each login waits for a time limit.
auth_policy_server_url = {_url(source)}/dovecot/after-auth
auth_policy_check_before_auth = no
auth_policy_check_after_auth = yes
auth_policy_report_after_auth = no
{_TIME_LIMIT[version]}\
# Way 2, instead of all these: poplock is told without a wait. It costs a login nothing, ever, and
# the client may be told "logged in" a moment before poplock knows.
#   auth_policy_server_url = {_url(source)}/dovecot/report
#   auth_policy_check_before_auth = no
#   auth_policy_check_after_auth = no
#   auth_policy_report_after_auth = yes
{header}auth_policy_hash_nonce = {secrets.token_hex(8)}
{_ATTRIBUTES[version].format()}{_PROOF[version].format()}"""
    if isinstance(source, DovecotAuthPolicySettings) and source.events:
        lines += _exporter(source, version)
    return lines + _CHECK.format(version=version)


def events(source: KeyedSettings, version: str) -> str:
    """The lines of one version, 2.3 or 2.4."""
    return (
        f"# {_FILE} (Dovecot {version})\n"
        + _exporter(source, version)
        + _CHECK.format(version=version)
    )


_CHECK = """\
# Then: doveconf -n >/dev/null && doveadm reload
# It works when, after a login from another host, 'poplock list' shows that host.
"""


def _exporter(source: KeyedSettings, version: str) -> str:
    url = _url(source)
    note = ""
    if source.api_key_file is not None:
        url = url.replace("://", "://poplock:KEY@")
        note = f"# KEY: see {source.api_key_file}\n"
    return note + _EXPORTER[version].format(url=url) + _METRICS.format()


def _url(source: KeyedSettings) -> str:
    for socket in source.sockets():
        if socket.host is not None:
            host = f"[{socket.host}]" if ":" in socket.host else socket.host
            return f"{'https' if source.tls else 'http'}://{host}:{socket.port}"
    raise PoplockError(f"Dovecot speaks HTTP over TCP only; {source.title} listens on none")


def _source(config: Config, kind: type[KeyedSettings]) -> KeyedSettings:
    for source in config.source:
        if isinstance(source, kind):
            return source
    raise PoplockError(
        "the configuration has no source for it; add to it:\n\n"
        f'[[source]]\ntype = "{kind.__struct_config__.tag}"\nlisten = ["inet:127.0.0.1:4081"]'
    )


def _for_each_version(lines: Callable[[str], str]) -> str:
    """The lines for the Dovecot of this host, or for both where there is none."""
    version = version_here()
    versions = [version] if version in _PROOF else list(_PROOF)
    return "\n".join(lines(v) for v in versions)


def version_here() -> str | None:
    """`2.3` or `2.4`, as the Dovecot of this host says."""
    program = shutil.which("dovecot", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        return None
    said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10)
    return ".".join(said.stdout.split(".")[:2])
