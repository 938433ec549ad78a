r"""Postfix access policy delegation (SMTPD_POLICY_README).

Request: lines `name=value\n` in any order, then an empty line. Unknown names are ignored. Several
requests come one after another over one connection.

Reply: `action=...\n\n`

| answer | action | effect before `reject_unauth_destination` |
|---|---|---|
| Permit | `OK` | the recipient is accepted |
| NoOpinion | `DUNNO` | Postfix's next rule decides: a foreign recipient is refused |
| Unavailable | `DEFER_IF_REJECT ...` | 450 where the next rule would refuse; local mail passes |

With `prepend`, a request whose `policy_context` is `prepend` is about the header that names the
user who earned the grant: `PREPEND NAME: user` for Permit, `DUNNO` else. Postfix can't tell that
header from one that a client wrote, so the configured name is a secret, and header_checks makes the
known one of it: see the how-to.

Limits: a request has at most 64 KiB (Postfix sends 0.5 to 2), counted before it is collected.
Security: a request must hold `request=smtpd_access_policy` and exactly one `client_address`; two
readers could disagree about which of two counts.
"""

from typing import TYPE_CHECKING

from ..core.answers import NoOpinion, Outcome, Permit, Query, Unavailable
from ..core.dialogue import Dialogue, MakeDialogue, Request
from ..core.errors import WireError

if TYPE_CHECKING:  # an answer imports nothing but core and wire
    from ..config.answers import PostfixPolicySettings

LONGEST_REQUEST = 65_536

_REPLIES: dict[type[Outcome], bytes] = {
    Permit: b"action=OK\n\n",
    NoOpinion: b"action=DUNNO\n\n",
    Unavailable: b"action=DEFER_IF_REJECT relay authorization unavailable, try again later\n\n",
}
_FIRST = b"request=smtpd_access_policy\n"  # where Postfix puts it
_CLIENT = b"\nclient_address="
_SENDER = b"\nsender="
_PREPEND = b"\npolicy_context=prepend\n"


class PostfixPolicyDialogue(Dialogue):
    """One smtpd process's connection. `with_sender`: read the envelope sender as well."""

    def __init__(
        self, *, with_sender: bool = False, prepend: str | None = None, datagram: bool = False
    ) -> None:
        self._prepend = prepend
        self._for_header: list[Query] = []  # asked for the header, and not answered yet
        self._with_sender = with_sender
        self._buffer = b""

    def receive_data(self, data: bytes) -> list[Query]:
        buffer = self._buffer + data if self._buffer else data
        if (
            buffer.endswith(b"\n\n")
            and buffer.rfind(b"\n\n", 0, -1) < 0
            and len(buffer) < LONGEST_REQUEST
        ):
            self._buffer = b""  # exactly one request: what smtpd sends
            return [self._read(buffer)]
        *requests, self._buffer = buffer.split(b"\n\n")
        if len(self._buffer) > LONGEST_REQUEST or any(len(r) > LONGEST_REQUEST for r in requests):
            raise WireError(f"a request of more than {LONGEST_REQUEST} bytes")
        return [self._read(request + b"\n\n") for request in requests]

    def reply(self, request: Request, outcome: Outcome) -> None:
        if self._for_header and any(query is request for query in self._for_header):
            del self._for_header[0]  # replies come in the order of the requests
            self.said += self._header(outcome)
        else:
            self.said += _REPLIES[type(outcome)]

    def _header(self, outcome: Outcome) -> bytes:
        if type(outcome) is not Permit:
            return _REPLIES[NoOpinion]
        user = "".join(c if " " < c < "\x7f" else "?" for c in outcome.grant.user)
        return f"action=PREPEND {self._prepend}: {user}\n\n".encode()

    def _read(self, request: bytes) -> Query:
        """The query of one request, which ends in an empty line."""
        if not request.startswith(_FIRST):
            request = b"\n" + request
            if b"\n" + _FIRST not in request:
                raise WireError("not an smtpd_access_policy request")
        client = _value(request, _CLIENT)
        if client is None:
            raise WireError("a request without client_address")
        sender = _value(request, _SENDER) if self._with_sender else None
        query = Query(client, sender)
        if self._prepend is not None and _PREPEND in request:
            self._for_header.append(query)
        return query


def _value(request: bytes, label: bytes) -> str | None:
    """The value of an attribute; None where it is missing."""
    start = request.find(label)
    if start < 0:
        return None
    start += len(label)
    end = request.find(b"\n", start)
    if request.find(label, end) >= 0:
        raise WireError(f"two values of {label[1:-1].decode()}")
    try:
        return request[start:end].decode()
    except UnicodeDecodeError:
        raise WireError(f"{label[1:-1].decode()} is not UTF-8") from None


def dialogues(settings: "PostfixPolicySettings", with_sender: bool) -> MakeDialogue:
    return lambda peer, datagram: PostfixPolicyDialogue(
        with_sender=with_sender, prepend=settings.prepend
    )
