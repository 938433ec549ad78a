"""Dovecot that speaks to poplock: with the lines of `poplock setup`, as an operator uses them."""

from __future__ import annotations

import re

from poplock.cli.setup import dovecot_http
from poplock.config.sources import DovecotAuthPolicySettings, DovecotEventsSettings

from ..host import Host, TestbedError

CONFIG = "/etc/dovecot/dovecot.conf"
_PROOF = {
    "bookworm": "  override_fields = poplock=yes\n",
    "trixie": "  fields {\n    poplock = yes\n  }\n",
}
_MASTERS = {
    "bookworm": """\
passdb {
  driver = passwd-file
  args = /etc/dovecot/testbed-masters
  master = yes
  result_success = continue
}
""",
    "trixie": """\
passdb masters {
  driver = passwd-file
  passwd_file_path = /etc/dovecot/testbed-masters
  master = yes
  result_success = continue
}
""",
}


def version(host: Host) -> str:
    return {"bookworm": "2.3", "trixie": "2.4"}[host.release]


def policy_lines(host: Host, source: DovecotAuthPolicySettings, *, way: int = 1) -> str:
    """The lines of `poplock setup dovecot-auth-policy`, with its way 1 or 2."""
    lines = dovecot_http.policy(source, version(host))
    return re.sub(r"^#   (auth_policy)", r"\1", lines, flags=re.MULTILINE) if way == 2 else lines


def event_lines(host: Host, source: DovecotEventsSettings) -> str:
    return dovecot_http.events(source, version(host))


class Configured:
    """A started Dovecot whose configuration is changed and taken back."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._plain = host.run(["cat", CONFIG])
        host.write("/etc/dovecot/testbed-masters", "root:{PLAIN}secret-root\n")

    def restart(self, lines: str, *, proof: bool = True) -> None:
        """Start anew with more lines; master users are `root`, as USER*root."""
        release, text = self._host.release, self._plain
        if proof:
            head = re.search(r"^passdb .*\{\n", text, re.MULTILINE)
            assert head is not None
            text = text[: head.end()] + _PROOF[release] + text[head.end() :]
        masters = "auth_master_user_separator = *\n" + _MASTERS[release]
        at = text.index("passdb ")
        self._host.write(CONFIG, text[:at] + masters + text[at:] + lines)
        self._host.run(["doveadm", "stop"])
        self._start()

    def _start(self) -> None:
        for attempt in range(50):  # the old one may still be there for a moment
            try:
                self._host.run(["dovecot"])
                break
            except TestbedError:
                if attempt == 49:
                    raise
        for port in (110, 143, 993, 995):
            self._host.wait_for_port(port)
