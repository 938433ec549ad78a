"""What is particular to DRAC."""

import struct
from ipaddress import ip_address
from typing import Any

import pytest

from poplock.core.answers import Refused, Unavailable
from poplock.core.errors import WireError
from poplock.core.events import NOW, Login
from poplock.sources.drac import LONGEST_MESSAGE, DracDialogue
from tests.packets import NO_AUTH, XID, chars, marked
from tests.packets import call as any_call

IPV4 = bytes((192, 0, 2, 7))
IPV6 = ip_address("2001:db8:b8::ff").packed
AUTH_SYS = struct.pack(">2I", 1, 20) + b"stamp and a hostname" + struct.pack(">2I", 0, 0)


def call(argument: bytes = IPV4, **more: Any) -> bytes:
    return any_call(argument, **more)


def words(data: bytes) -> tuple[int, ...]:
    return struct.unpack(f">{len(data) // 4}I", data)


def refused(message: bytes) -> tuple[int, ...]:
    """The error in the reply to a wrong call: what follows transaction id and message type."""
    talk = DracDialogue(datagram=True)
    assert talk.receive_data(message) == []
    assert talk.refusals is not None and len(talk.refusals) == 1
    xid, reply, *rest = words(talk.data_to_send())
    assert (xid, reply) == (XID, 1)
    return tuple(rest)


@pytest.mark.parametrize("auth", [NO_AUTH, AUTH_SYS], ids=["none", "sys"])
@pytest.mark.parametrize(
    ("version", "argument", "ip"),
    [
        (1, IPV4, "192.0.2.7"),
        (2, chars(IPV6), "2001:db8:b8::ff"),
        (2, chars(IPV6, signed=False), "2001:db8:b8::ff"),
        (2, IPV6, "2001:db8:b8::ff"),
        (2, chars(bytes(10) + b"\xff\xff" + IPV4), "192.0.2.7"),
    ],
)
def test_an_address_is_added_in_each_form(
    version: int, argument: bytes, ip: str, auth: bytes
) -> None:
    talk = DracDialogue(datagram=True, user="who", service="imap")
    (event,) = talk.receive_data(call(argument, version=version, auth=auth))
    assert event == Login(NOW, ip_address(ip), "who", "imap")
    assert talk.data_to_send() == b""
    talk.reply(event, None)
    assert words(talk.data_to_send()) == (XID, 1, 0, 0, 0, 0, 0)


def test_the_bytes_of_the_simplest_call_and_its_reply() -> None:
    talk = DracDialogue(datagram=True)
    message = bytes.fromhex(
        "1234abcd 00000000 00000002 000dbc05 00000001 00000001"
        "00000000 00000000 00000000 00000000 c0000207"
    )
    (event,) = talk.receive_data(message)
    assert str(event.ip) == "192.0.2.7"  # type: ignore[union-attr]
    talk.reply(event, None)
    reply = "1234abcd 00000001 00000000 00000000 00000000 00000000 00000000"
    assert talk.data_to_send() == bytes.fromhex(reply)


@pytest.mark.parametrize(
    ("outcome", "result"), [(None, 0), (Refused("not listed"), 1), (Unavailable("disk full"), 2)]
)
def test_the_result_says_kept_or_not_allowed_or_not_kept(
    outcome: Refused | Unavailable | None, result: int
) -> None:
    talk = DracDialogue(datagram=True)
    (event,) = talk.receive_data(call())
    talk.reply(event, outcome)
    assert words(talk.data_to_send())[-2:] == (0, result)


@pytest.mark.parametrize("version", [1, 2])
def test_the_null_procedure_does_nothing(version: int) -> None:
    talk = DracDialogue(datagram=True)
    assert talk.receive_data(call(b"", version=version, procedure=0)) == []
    assert words(talk.data_to_send()) == (XID, 1, 0, 0, 0, 0)
    assert talk.refusals is None


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (call(program=100003), (0, 0, 0, 1)),
        (call(version=0), (0, 0, 0, 2, 1, 2)),
        (call(version=3), (0, 0, 0, 2, 1, 2)),
        (call(procedure=2), (0, 0, 0, 3)),
        (call(IPV4[:3]), (0, 0, 0, 4)),
        (call(b""), (0, 0, 0, 4)),
        (call(IPV4 + IPV4), (0, 0, 0, 4)),
        (call(IPV4, version=2), (0, 0, 0, 4)),
        (call(chars(IPV6)[:-4], version=2), (0, 0, 0, 4)),
        (call(chars(IPV6[:-1]) + b"\0\0\1\0", version=2), (0, 0, 0, 4)),
        (call(chars(IPV6[:-1]) + b"\xff\xff\xff\x7f", version=2), (0, 0, 0, 4)),
        (call(rpc=3), (1, 0, 2, 2)),
        (call(auth=struct.pack(">2I", 1, 401) + bytes(404)), (1, 1, 1)),
        (call(auth=struct.pack(">4I", 0, 0, 0, 0xFFFFFFFF)), (1, 1, 3)),
        (call(auth=struct.pack(">2I", 6, 4) + bytes(12)), (1, 1, 2)),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else str(value),
)
def test_a_wrong_call_gets_rpcs_own_error(message: bytes, error: tuple[int, ...]) -> None:
    assert refused(message) == error


@pytest.mark.parametrize(
    "message",
    [
        b"x",
        call()[:39],
        call(kind=1),
        call(kind=2),
        call(auth=struct.pack(">2I", 1, 100) + bytes(50)),
        call(bytes(LONGEST_MESSAGE)),
    ],
    ids=["one byte", "short", "a reply", "no message", "a short credential", "long"],
)
def test_what_cannot_be_a_call_gets_no_reply(message: bytes) -> None:
    talk = DracDialogue(datagram=True)
    with pytest.raises(WireError):
        talk.receive_data(message)
    assert talk.data_to_send() == b""


def test_a_connection_carries_call_after_call_in_any_fragments() -> None:
    talk = DracDialogue()
    message = call()
    data = marked(message) + marked(message[:10], message[10:11], message[11:])
    events = talk.receive_data(data + marked(call(version=9)))
    assert [str(e.ip) for e in events] == ["192.0.2.7"] * 2  # type: ignore[union-attr]
    for event in events:
        talk.reply(event, None)
    mismatch = marked(struct.pack(">8I", XID, 1, 0, 0, 0, 2, 1, 2))
    success = marked(struct.pack(">7I", XID, 1, 0, 0, 0, 0, 0))
    assert talk.data_to_send() == mismatch + success + success
    assert not talk.closing


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">I", LONGEST_MESSAGE + 1),
        struct.pack(">I", 0x8000_0000 | LONGEST_MESSAGE + 1),
        struct.pack(">I", LONGEST_MESSAGE) + bytes(LONGEST_MESSAGE) + struct.pack(">I", 1),
        struct.pack(">I", 0),
        b"GET / HTTP/1.1\r\n",
    ],
)
def test_a_record_that_would_be_too_long_is_refused_before_it_is_collected(data: bytes) -> None:
    with pytest.raises(WireError):
        DracDialogue().receive_data(data)


def test_what_is_no_call_costs_none_of_the_calls_before_it() -> None:
    talk = DracDialogue()
    (event,) = talk.receive_data(marked(call()) + marked(call(kind=1)) + marked(call()))
    talk.reply(event, None)
    assert len(talk.data_to_send()) == 32
    assert talk.closing
    with pytest.raises(WireError):
        talk.receive_data(marked(call()))
