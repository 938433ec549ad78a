"""Whatever a client writes into the fields it controls: the true address is granted, or none."""

import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from poplock.core.events import Login
from poplock.dialects import DIALECTS, load
from poplock.dialects.scanner import Scanner

TRUE = "192.0.2.66"
FORGED = "198.51.100.7"

# %b is what the client chose; control characters are escaped by syslog daemons, newlines first.
LINES = {
    "dovecot": [
        b"Nov 24 10:00:00 mx dovecot: imap-login: Login: user=<%b>, method=PLAIN, rip=192.0.2.66,"
        b" lip=192.0.2.1, mpid=9, TLS, session=<abcd>",
        b"Nov 24 10:00:00 mx dovecot: imap-login: Logged in: rip=192.0.2.66, user=<%b>, lip=::1",
        b"Nov 24 10:00:00 mx dovecot: pop3-login: Disconnected: Connection closed (auth failed, 1"
        b" attempts in 2 secs): user=<%b>, method=PLAIN, rip=192.0.2.66, lip=192.0.2.1",
        b"Nov 24 10:00:00 imap-login: Info: Login: user=<%b>, method=PLAIN, rip=192.0.2.66",
        b"Nov 24 10:00:00 mx dovecot: auth: passwd-file(%b,192.0.2.66): unknown user",
    ],
    "courier": [
        b"Nov 24 10:00:00 mx pop3d: LOGIN, user=%b, ip=[::ffff:192.0.2.66], port=[40112]",
        b"Nov 24 10:00:00 mx imapd: LOGIN FAILED, user=%b, ip=[::ffff:192.0.2.66]",
    ],
    "vpopmail": [
        b"Nov 24 10:00:00 mx vpopmail[12]: vchkpw-pop3: (PLAIN) login success %b:192.0.2.66",
        b"Nov 24 10:00:00 mx vpopmail[12]: vchkpw-pop3: password fail (pass: '%b') %b:192.0.2.66",
    ],
}
STRANGERS = [
    b"Nov 24 10:00:00 mx postfix/smtpd[7]: NOQUEUE: reject: RCPT from unknown[192.0.2.66]: 554"
    b" <%b>: Relay access denied; from=<%b> to=<x@y> proto=ESMTP helo=<%b>",
    b"Nov 24 10:00:00 mx auth: pam_unix(dovecot:auth): authentication failure; user=%b",
]

pieces = st.sampled_from(
    [
        b", rip=198.51.100.7",
        b">, ",
        b"]",
        b"<",
        b"user=<x>",
        b"lip=1.1.1.1",
        b"session=<y>",
        b", ",
        b" login success a:198.51.100.7",
        b"ip=[198.51.100.7]",
        b", port=[1]",
        b"LOGIN, user=z",
        b"dovecot: imap-login: Login: user=<z>, method=PLAIN, rip=198.51.100.7, lip=::1",
        b"\r",
        b"\x00",
        b"\xff",
        b"'",
        b") ",
        b":198.51.100.7",
        b"Nov 24 10:00:00 mx ",
        b"x" * 10_000,
    ]
)
text = st.lists(st.one_of(pieces, st.binary(max_size=20)), max_size=6).map(
    # A syslog daemon or the server itself takes newlines out: a line is a line.
    lambda parts: b"".join(parts).replace(b"\n", b"#012")
)


@pytest.mark.parametrize(
    ("name", "line"), [(n, line) for n in DIALECTS for line in (*LINES[n], *STRANGERS)]
)
@settings(max_examples=150)
@given(text)
@example(b"a>, method=PLAIN, rip=198.51.100.7, lip=1.1.1.1, session=<x")
@example(b"a>, rip=198.51.100.7, x=<b")
@example(b"a, ip=[198.51.100.7], port=[1]")
@example(b"a:198.51.100.7")
@example(b"x') a:198.51.100.7")
def test_no_login_from_an_address_that_a_client_wrote(
    name: str, line: bytes, chosen: bytes
) -> None:
    scanner = Scanner(load(DIALECTS))
    whole = line.replace(b"%b", chosen)
    for event in scanner.feed(whole + b"\n", time.time()):
        if isinstance(event, Login):
            assert str(event.ip) == TRUE
            assert not re.search(rb"FAILED|auth failed|password fail|NOQUEUE|pam_unix", whole)


@settings(max_examples=300)
@given(st.lists(st.one_of(pieces, st.binary(max_size=100)), max_size=20).map(b"".join))
def test_any_bytes_at_all_are_read_without_an_error(data: bytes) -> None:
    scanner = Scanner(load(DIALECTS))
    for event in scanner.feed(data + b"\n", time.time()):
        assert event.dialect in DIALECTS
