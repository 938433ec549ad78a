"""The open-relay self-test: what public testers try, offered to one's own server.

Each form is an envelope that has made some server relay for strangers once: source routes (RFC
5321, appendix C), the percent hack, bang paths, quoted local parts, senders that look like our own.
Nothing is ever sent: a form ends at the answer to RCPT TO. A server that accepts one relays for
anybody, or takes a strange local part for a mailbox of its own; both deserve a look.
"""

import smtplib
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from .core.errors import PoplockError

_PATIENCE = 30.0  # seconds for an answer; some servers make strangers wait
_TARGET = "user@relay-test.example"  # RFC 2606: nobody's

Connect = Callable[[], socket.socket]


@dataclass(frozen=True, slots=True)
class Form:
    """An envelope, and what it is called."""

    name: str
    sender: str
    recipient: str


@dataclass(frozen=True, slots=True)
class Result:
    """What a server said to a form. `code` is 0 where it closed the connection."""

    form: Form
    code: int
    text: str

    @property
    def accepted(self) -> bool:
        return 200 <= self.code < 300


def forms(domain: str, server: str, target: str = _TARGET) -> Sequence[Form]:
    """Every form, for a server that is responsible for `domain` and has the address `server`."""
    user, _, foreign = target.partition("@")
    literal = f"[IPv6:{server}]" if ":" in server else f"[{server}]"
    stranger = "sender@relay-test.example"

    def to(name: str, recipient: str) -> Form:
        return Form(name, f"<{stranger}>", recipient)

    return (
        to("plain", f"<{target}>"),
        Form("empty sender", "<>", f"<{target}>"),
        Form("own domain as sender", f"<postmaster@{domain}>", f"<{target}>"),
        Form("own address literal as sender", f"<sender@{literal}>", f"<{target}>"),
        Form("localhost as sender", "<sender@localhost>", f"<{target}>"),
        Form("sender without a domain", "<sender>", f"<{target}>"),
        Form("recipient as sender", f"<{target}>", f"<{target}>"),
        to("without brackets", target),
        to("trailing dot", f"<{target}.>"),
        to("quoted local part", f'<"{user}"@{foreign}>'),
        to("quoted address", f'<"{target}">'),
        to("quoted address at own domain", f'<"{target}"@{domain}>'),
        to("quoted address at literal", f'<"{target}"@{literal}>'),
        to("percent hack", f"<{user}%{foreign}@{domain}>"),
        to("percent hack at literal", f"<{user}%{foreign}@{literal}>"),
        to("percent hack at localhost", f"<{user}%{foreign}@localhost>"),
        to("percent hack without a domain", f"<{user}%{foreign}>"),
        to("quoted percent hack", f'<"{user}%{foreign}"@{domain}>'),
        to("source route", f"<@{domain}:{target}>"),
        to("source route by literal", f"<@{literal}:{target}>"),
        to("source route of two", f"<@{domain},@localhost:{target}>"),
        to("bang path", f"<{foreign}!{user}>"),
        to("bang path at own domain", f"<{foreign}!{user}@{domain}>"),
        to("bang path at literal", f"<{foreign}!{user}@{literal}>"),
        to("bang path and percent hack", f"<{domain}!{user}%{foreign}>"),
        to("two at signs", f"<{target}@{domain}>"),
        to("two at signs and literal", f"<{target}@{literal}>"),
        to("foreign address literal", f"<{user}@[198.51.100.99]>"),
    )


def try_forms(connect: Connect, envelopes: Sequence[Form]) -> Iterator[Result]:
    """Offer each form; reconnects where the server has had enough. PoplockError if none answers."""
    session: smtplib.SMTP | None = None
    try:
        for form in envelopes:
            if session is None:
                session = _greet(connect)
            result = _offer(session, form)
            if not result.code or result.code == 421:
                session.close()
                session = None
                if not result.code:  # perhaps for what it had heard before
                    session = _greet(connect)
                    result = _offer(session, form)
            yield result
    finally:
        if session is not None:
            with suppress(smtplib.SMTPException, OSError):
                session.quit()
            session.close()


class _Session(smtplib.SMTP):
    def __init__(self, connect: Connect) -> None:
        self._made = connect
        super().__init__("mx", 25, local_hostname="relay-test.example", timeout=_PATIENCE)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self._made()


def _greet(connect: Connect) -> smtplib.SMTP:
    try:
        session = _Session(connect)
        session.ehlo_or_helo_if_needed()
    except (OSError, smtplib.SMTPException) as error:
        raise PoplockError(f"the SMTP server does not answer: {error}") from error
    return session


def _offer(session: smtplib.SMTP, form: Form) -> Result:
    try:
        session.docmd("RSET")
        code, text = session.docmd("MAIL", f"FROM:{form.sender}")
        if code < 300:
            code, text = session.docmd("RCPT", f"TO:{form.recipient}")
    except (OSError, smtplib.SMTPException) as error:
        return Result(form, 0, str(error))
    return Result(form, code, text.decode(errors="replace"))
