r"""Syslog messages and how a stream is cut into them.

    <22>Nov 24 10:00:00 mx dovecot: text          RFC 3164, as forwarded by "traditional" senders
    <22>Nov 24 10:00:00 dovecot[12]: text         without host: what a program writes to /dev/log
    <22>2026-11-24T10:00:00.12+01:00 mx dovecot: text            rsyslog's RSYSLOG_ForwardFormat
    <22>1 2026-11-24T10:00:00Z mx dovecot 12 - [id name="value"] text                   RFC 5424

The priority may be missing, except in RFC 5424. A stamp of RFC 3164 has neither year nor zone, so
it names no moment for whoever doesn't know the sender's zone: its time is None.

Framing (RFC 6587), decided anew at each frame: a digit 1-9 begins a count of octets, `57 <22>...`;
anything else begins a line that ends in LF. Only whole frames count: what is cut off by the end of
a connection might be an address cut off.

Limits: a message has at most `LONGEST` bytes, a count no leading zero.
Security: NUL never ends a frame, as some ancient senders mean it, or a stranger who gets two NULs
into a text would write a message of his own. For the same reason a counted frame is safer than a
line: nothing in its text can end it. Text behind a tag must follow a colon and a blank, structured
data must be escaped as the RFC says; of what is read otherwise, no reader agrees with another, and
it has no tag here.
"""

import re
from datetime import datetime
from typing import NamedTuple

from ..core.errors import WireError

LONGEST = 65_536
"""Bytes of a message. rsyslog sends 8 KiB at most unless told otherwise; a datagram holds 64."""

_PRI = rb"<(?:\d|[1-9]\d|1[0-8]\d|19[01])>"
_RFC_3339 = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)"
_RFC_3164 = rb"[A-Z][a-z]{2} [ 0-3]\d \d\d:\d\d:\d\d"
_TAG = rb"[!-9;-Z\\^-~]"  # printable, without the colon and the brackets that end it
# A word with a colon at its end is a tag and no host: the message comes from /dev/log.
_BSD = re.compile(
    rb"(?:" + _PRI + rb")?(?:" + _RFC_3164 + rb"|(" + _RFC_3339 + rb")) "
    rb"(?:([!-~]{1,255}+)(?<!:) )?(" + _TAG + rb"{1,128}+)(?:\[(\d{1,10})\])?: (.*)",
    re.DOTALL,
)
_VALUE = rb'"[^"\\\]]*+(?:\\.[^"\\\]]*+)*"'
_ELEMENT = rb"\[[!#-<>-Z\\^-~]{1,32}+(?: [!#-<>-Z\\^-~]{1,32}+=" + _VALUE + rb")*\]"
_RFC_5424 = re.compile(
    _PRI + rb"1 (?:-|(" + _RFC_3339 + rb")) ([!-~]{1,255}+) (" + _TAG + rb"{1,48}+) ([!-~]{1,128}+)"
    rb" [!-~]{1,32}+ (?:-|(?:" + _ELEMENT + rb")+)(?: (?:\xef\xbb\xbf)?(.*))?",
    re.DOTALL,
)
_COUNT = re.compile(rb"([1-9]\d{0,4}) ")
_DIGITS = re.compile(rb"\d{1,5}")


class Message(NamedTuple):
    """What a message says; everything in it is its sender's claim.

    `time` is in seconds of the epoch, None where the stamp names no moment. `host`, `tag` and `pid`
    are b"" where none stands; without a tag nothing in `text` is known to be a program's.
    """

    time: float | None
    host: bytes
    tag: bytes
    pid: bytes
    text: bytes


def read_message(data: bytes) -> Message:
    """Read one message, without its frame. What can't be read has neither tag nor time."""
    data = data.rstrip(b"\r\n\0")
    found = _RFC_5424.fullmatch(data)
    if found is not None:
        stamp, host, tag, pid, text = (b"" if v == b"-" else v for v in found.groups(b""))
        if not pid.isdigit() or len(pid) > 10:
            pid = b""
        text = text.removeprefix(b" ")  # rsyslog forwards the blank behind a tag as text
    else:
        found = _BSD.fullmatch(data)
        if found is None:
            return Message(None, b"", b"", b"", data)
        stamp, host, tag, pid, text = found.groups(b"")
    try:
        time = datetime.fromisoformat(stamp.decode()).timestamp() if stamp else None
    except ValueError:  # the 30th of February
        return Message(None, b"", b"", b"", data)
    return Message(time, host, tag, pid, text)


class Frames:
    """Cuts a stream into messages; feed it chunks, however they are cut.

    `counted_only`: as over TLS (RFC 5425), where there are no lines.
    """

    def __init__(self, *, counted_only: bool = False) -> None:
        self._counted_only = counted_only
        self._buffer = bytearray()
        self._searched = 0  # bytes of the buffer, from its start, that hold no end of a line

    @property
    def pending(self) -> int:
        """Bytes of a message that has no end yet."""
        return len(self._buffer)

    def feed(self, chunk: bytes) -> list[bytes]:
        """The messages that are whole now; WireError where the framing is wrong."""
        buffer = self._buffer
        buffer += chunk
        messages: list[bytes] = []
        at = 0
        while at < len(buffer):
            if 0x30 <= buffer[at] <= 0x39:
                message, end = self._counted(at)
            elif self._counted_only:
                raise WireError("a message without its count of octets (RFC 5425)")
            else:
                message, end = self._line(at)
            if message is None:
                break
            if message:
                messages.append(message)
            at, self._searched = end, 0
        del buffer[:at]
        return messages

    def _counted(self, at: int) -> tuple[bytes | None, int]:
        """The counted frame that begins here, and where it ends."""
        buffer = self._buffer
        count = _COUNT.match(buffer, at)
        if count is None:
            if _DIGITS.fullmatch(buffer, at) and buffer[at] != 0x30:
                return None, at
            raise WireError("a count of octets that is none (RFC 6587)")
        size, start = int(count[1]), count.end()
        del count  # it holds the buffer fast
        if size > LONGEST:
            raise WireError(f"a message of {size} bytes; {LONGEST} are allowed")
        if len(buffer) < start + size:
            return None, at
        return bytes(buffer[start : start + size]), start + size

    def _line(self, at: int) -> tuple[bytes | None, int]:
        """The line that begins here, and where the next one does."""
        buffer = self._buffer
        end = buffer.find(b"\n", at + self._searched)
        if (end if end >= 0 else len(buffer)) - at > LONGEST:
            raise WireError(f"a message without an end within {LONGEST} bytes")
        if end < 0:
            self._searched = len(buffer) - at
            return None, at
        return bytes(buffer[at:end]), end + 1
