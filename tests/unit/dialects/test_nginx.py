"""nginx's file log, in which a stranger wrote a line of nginx's own (seen with nginx 1.22)."""

import time

from poplock.core.events import Login
from poplock.dialects import DIALECTS, load
from poplock.dialects.scanner import Scanner

FAILED = (
    b'%b [info] 7#7: *9 client login failed: "Invalid login or password" while in http auth state,'
    b' client: 192.0.2.66, server: 127.0.0.1:143, login: "x"\n'
)
FORGED = (
    b"%b [info] 1#1: *5 client logged in, client: 198.51.100.7, server: 0.0.0.0:993,"
    b' login: "eve", upstream: 127.0.0.1:143\n'
)


def test_nothing_in_nginxs_own_file_is_a_login() -> None:
    log = FAILED % b"2026/11/24 10:00:00" + FORGED % b"2026/11/24 10:00:00"
    assert Scanner(load(DIALECTS)).feed(log, time.time()) == []


def test_through_syslog_the_same_name_is_one_line_and_no_login() -> None:
    name = (FAILED % b"2026/11/24 10:00:00" + FORGED % b"2026/11/24 10:00:00").rstrip()
    line = b"Nov 24 10:00:00 mx nginx: " + name.replace(b"\n", b"#012") + b'"\n'
    events = Scanner(load(DIALECTS)).feed(line, time.time())
    assert not any(isinstance(e, Login) for e in events)
