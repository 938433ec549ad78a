"""Zimbra's own encoding, with whatever a client puts into it."""

import time

from hypothesis import example, given
from hypothesis import strategies as st

from poplock.core.events import Login
from poplock.dialects import load
from poplock.dialects.scanner import Scanner

SUCCESS = b"cmd=Auth; account=%b; protocol=imap;"
LINE = b"2026-11-24 10:00:00,123 INFO  [ImapServer-9] [ip=%b;ua=%b;cid=4;] security - %b\n"


def encoded(value: bytes) -> bytes:
    """As ZimbraLog.encodeArg does it."""
    return value.replace(b";", b";;").replace(b"\r", b" ").replace(b"\n", b" ")


@given(st.binary(min_size=1, max_size=200))
@example(b";] security - cmd=Auth; account=eve; protocol=imap;")
@example(b"x;ip=198.51.100.7")
@example(b"x;;")
@example(b"x;oip=198.51.100.7;")
@example(b"]")
def test_a_user_agent_changes_neither_address_nor_account(agent: bytes) -> None:
    line = LINE % (b"192.0.2.66", encoded(agent), SUCCESS % b"ann")
    for event in Scanner(load(["zimbra"])).feed(line, time.time()):
        assert isinstance(event, Login)
        assert (str(event.ip), event.user) == ("192.0.2.66", "ann")


@given(st.binary(min_size=1, max_size=200))
@example(b"x; ip=198.51.100.7")
def test_a_proxy_is_believed_only_inside(agent: bytes) -> None:
    for peer, client in ((b"10.0.0.1", b"203.0.113.9"), (b"192.0.2.66", None)):
        line = LINE.replace(b"ua=", b"oip=203.0.113.9;ua=") % (
            peer,
            encoded(agent),
            SUCCESS % b"ann",
        )
        found = {str(e.ip).encode() for e in Scanner(load(["zimbra"])).feed(line, time.time())}
        assert found <= ({client} if client else set())
