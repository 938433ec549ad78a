"""The laws of a dialogue for sources that acknowledge: chunks, garbage, and three outcomes.

`tests/samples/sources/NAME.hex`: above each message what it tells, `#= [{...}]`.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poplock.config.sources import SourceTypes
from poplock.core.answers import Outcome, Query, Refused, Unavailable
from poplock.core.clock import FakeClock
from poplock.core.dialogue import Dialogue, Request
from poplock.core.errors import WireError
from poplock.sources import LISTENING, make_dialogues
from tests.conftest import make_intake
from tests.packets import marked

SAMPLES = Path(__file__).parent.parent / "samples" / "sources"
STREAMS: dict[str, Callable[[bytes], bytes]] = {"whoson": bytes, "drac": marked}
"""How a message stands on a stream, in protocols that have any."""
NAMES = [path.stem for path in sorted(SAMPLES.glob("*.hex"))]
every_source = pytest.mark.parametrize("name", NAMES)
every_stream = pytest.mark.parametrize("name", STREAMS)


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("radius") / "clients"
    path.write_text("127.0.0.0/8 xyzzy\n")
    path.chmod(0o600)
    return str(path)


def dialogue(name: str, clients: str, datagram: bool) -> Dialogue:
    """What one of our peers on loopback meets."""
    text = {"type": name, "listen": ["udp:127.0.0.1:1"]}
    if name == "radius":
        text["clients_file"] = clients
    settings = msgspec.convert(text, SourceTypes)
    make = make_dialogues(settings, make_intake(FakeClock()))
    return make(ip_address("127.0.0.1"), datagram)


def samples(name: str) -> list[tuple[list[dict[str, object]], bytes]]:
    """Each message, after what it tells."""
    found, told = [], None
    for line in (SAMPLES / f"{name}.hex").read_text().splitlines():
        if line.startswith("#= "):
            told = json.loads(line[3:])
        elif not line.startswith("#"):
            assert told is not None, f"no expectation above {line}"
            found.append((told, bytes.fromhex(line)))
            told = None
    return found


def described(requests: Sequence[Request]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for request in requests:
        assert not isinstance(request, Query)
        ip = None if request.ip is None else str(request.ip)
        kind = type(request).__name__.lower()
        found.append({"event": kind, "ip": ip, "user": request.user})
    return found


def converse(
    talk: Dialogue, data: bytes, size: int, outcome: Outcome
) -> tuple[list[Request], bytes]:
    requests: list[Request] = []
    said = b""
    for i in range(0, len(data), size):
        for request in talk.receive_data(data[i : i + size]):
            requests.append(request)
            talk.reply(request, outcome)
        said += talk.data_to_send()
    return requests, said


def test_every_source_of_dialogues_has_its_samples() -> None:
    assert {*NAMES, "syslog"} == set(LISTENING), (
        "syslog acknowledges nothing: it has tests of its own"
    )


@every_source
def test_each_message_in_a_datagram_tells_what_stands_above_it(name: str, clients: str) -> None:
    for told, message in samples(name):
        talk = dialogue(name, clients, datagram=True)
        requests = talk.receive_data(message)
        assert described(requests) == told, message
        assert talk.receive_data(b"") == (), "the end tells nothing more"
        assert bool(talk.data_to_send()) != bool(told), "replied to before it was kept, or not"
        for request in requests:
            talk.reply(request, None)
        assert bool(talk.data_to_send()) == bool(told)


@every_stream
@pytest.mark.parametrize("size", [1, 2, 3, 7, 4096, 1_000_000])
def test_however_a_stream_is_cut_the_result_is_the_same(name: str, size: int, clients: str) -> None:
    data = b"".join(STREAMS[name](message) for _, message in samples(name))
    whole = converse(dialogue(name, clients, False), data, len(data), None)
    cut = converse(dialogue(name, clients, False), data, size, None)
    assert described(cut[0]) == described(whole[0]) == [e for t, _ in samples(name) for e in t]
    if name != "drac":  # whose replies have numbers and need no order
        assert cut[1] == whole[1]
    assert len(cut[1]) == len(whole[1])


@every_source
def test_kept_refused_and_unavailable_are_three_replies(name: str, clients: str) -> None:
    (_, message), *_ = samples(name)
    outcomes = (None, Refused("not listed"), Unavailable("disk full"))
    replies = []
    for outcome in outcomes:
        talk = dialogue(name, clients, datagram=True)
        replies.append(converse(talk, message, len(message), outcome)[1])
    assert replies[0] not in replies[1:]
    if dialogue(name, clients, True).refuses:
        assert len(set(replies)) == 3
    else:  # silence says both
        assert replies[1:] == [b"", b""]


@every_source
@pytest.mark.parametrize("datagram", [False, True])
@given(chunks=st.lists(st.binary(max_size=200), max_size=20))
def test_any_bytes_give_events_or_more_or_a_wire_error(
    name: str, datagram: bool, clients: str, chunks: list[bytes]
) -> None:
    talk = dialogue(name, clients, datagram)
    with suppress(WireError):
        for chunk in chunks:
            for request in talk.receive_data(chunk):
                talk.reply(request, None)
            talk.data_to_send()


@every_stream
@given(cut=st.integers(0, 1000), junk=st.binary(min_size=1, max_size=30))
def test_garbage_inside_a_real_conversation_is_documented_too(
    name: str, clients: str, cut: int, junk: bytes
) -> None:
    data = b"".join(STREAMS[name](message) for _, message in samples(name))
    talk = dialogue(name, clients, False)
    with suppress(WireError):
        converse(talk, data[:cut] + junk + data[cut:], 50, None)


@every_stream
def test_a_message_without_an_end_is_refused_in_bounded_memory(name: str, clients: str) -> None:
    talk, sent = dialogue(name, clients, False), 0
    with pytest.raises(WireError):
        while True:
            talk.receive_data(b"x" * 4096)
            sent += 4096
            assert sent <= 16_384
