"""Exim in Debian's own configuration, beside the POP and IMAP servers."""

from __future__ import annotations

from collections.abc import Mapping

from ..host import Host

EXIM = ("exim4-daemon-heavy",)
_SETTINGS = {
    "dc_eximconfig_configtype": "internet",
    "dc_other_hostnames": "example.org",
    "dc_local_interfaces": "",
    "dc_relay_domains": "",
    "dc_relay_nets": "",
    "dc_use_split_config": "false",
    "dc_localdelivery": "mail_spool",
}
_MACROS = {
    "MAIN_HARDCODE_PRIMARY_HOSTNAME": "mx.example.org",
    "MAIN_HOST_LOOKUP": "192.0.2.254",
    "CHECK_RCPT_NO_FAIL_TOO_MANY_BAD_RCPT": "1",
}


def start_exim(host: Host, macros: Mapping[str, str]) -> None:
    """An MTA for example.org with the mailbox of `user`; `macros` are Debian's hooks."""
    text = "".join(f"{key}='{value}'\n" for key, value in _SETTINGS.items())
    host.write("/etc/exim4/update-exim4.conf.conf", text)
    text = "".join(f"{key} = {value}\n" for key, value in {**_MACROS, **macros}.items())
    host.write("/etc/exim4/exim4.conf.localmacros", text)
    host.run(["sh", "-c", "id -u user || useradd --create-home user; update-exim4.conf; exim4 -bd"])
    host.wait_for_port(25)


def exim_on_both_families(host: Host, port: int) -> None:
    """Serve a port where IPv4 clients come as ::ffff:a.b.c.d, which Exim by itself never opens."""
    with host.listen_on_both_families(port) as listener:
        host.popen(["exim4", "-bw"], stdin=listener)
