r"""Learns logins from syslog messages that others send: UDP, TCP, TLS, a unix datagram socket.

Messages and frames are those of `wire.syslog`; on a datagram socket a datagram is a message, over
TLS (RFC 5425) each has its count of octets. Syslog has no replies: what a sender has sent and we
had not read yet when we ended is lost. A log file or the journal can be read again, and is the
better source where it can be had.

Which clock counts: a stamp with year and zone says when it was, so a queue that a sender flushes
after an outage earns nobody more than he had; but never is it later than the arrival. A stamp of
RFC 3164 says neither, so those messages count from their arrival.

Security: whoever may send can hand out grants, and the sender's host and tag are its claim. A
datagram's source address can be forged by whoever reaches the socket: prefer a unix socket, or TLS
with client certificates. The connections of one source share the first halves of logins told in two
lines, by host and process id: a sender may come back on another connection.
"""

from collections.abc import Sequence

from ..config.sources import SyslogSettings
from ..core.addresses import IPAddress
from ..core.dialogue import Dialogue, MakeDialogue
from ..core.errors import WireError
from ..core.events import Event
from ..dialects.line import canonical
from ..dialects.scanner import Scanner
from ..wire.syslog import LONGEST, Frames, read_message
from .intake import Intake


class Reader:
    """What all senders of one source share."""

    def __init__(self, scanner: Scanner, intake: Intake) -> None:
        self._scanner = scanner
        self._clock = intake.clock
        self._health = intake.health
        self._unreadable = 0

    def read(self, messages: Sequence[bytes], sender: bytes) -> list[Event]:
        """What messages tell; `sender` is the host of those that name none."""
        now = self._clock.wall()
        lines = b"".join([self._line(m, sender, now) for m in messages])
        events = self._scanner.feed(lines, now)
        self._health.skipped = self._unreadable + self._scanner.skipped
        return events

    def _line(self, data: bytes, sender: bytes, now: float) -> bytes:
        time, host, tag, pid, text = read_message(data)
        if not tag:
            self._unreadable += 1
            return b""
        return canonical(now if time is None else min(time, now), host or sender, tag, pid, text)


class SyslogDialogue(Dialogue):
    """One connection, or one datagram where there are no `frames`."""

    acknowledges = False
    lasts = True

    def __init__(self, reader: Reader, sender: bytes, frames: Frames | None) -> None:
        self._reader = reader
        self._sender = sender
        self._frames = frames

    @property
    def at_rest(self) -> bool:  # type: ignore[override]  # known from the frames
        return self._frames is None or not self._frames.pending

    def receive_data(self, data: bytes) -> Sequence[Event]:
        if not data:
            return ()
        if self._frames is not None:
            messages = self._frames.feed(data)
        elif len(data) <= LONGEST:
            messages = [data]
        else:
            raise WireError(f"a datagram of {len(data)} bytes; {LONGEST} are allowed")
        return self._reader.read(messages, self._sender) if messages else ()


def dialogues(settings: SyslogSettings, intake: Intake) -> MakeDialogue:
    """The conversations of `[[source]]` with `type = "syslog"`."""
    reader = Reader(intake.scanner(settings.dialects), intake)
    over_tls = settings.tls is not None

    def make(peer: IPAddress | None, datagram: bool) -> SyslogDialogue:
        frames = None if datagram else Frames(counted_only=over_tls)
        return SyslogDialogue(reader, b"local" if peer is None else str(peer).encode(), frames)

    return make
