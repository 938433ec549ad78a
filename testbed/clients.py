"""POP3, IMAP and SMTP clients that come from an address of their own."""

from __future__ import annotations

import imaplib
import poplib
import smtplib
import socket
import ssl
from contextlib import suppress
from functools import cache

from .host import Host
from .servers import password

FOREIGN = "someone@elsewhere.test"
LOCAL = "user@example.org"


@cache
def _trusting() -> ssl.SSLContext:
    """For every server: the machine's authorities are not even read, which takes longest."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def over_tls(sock: socket.socket, name: bytes | None = None) -> ssl.SSLSocket:
    """The same connection over TLS; `name` is whom the client says it looks for (SNI)."""
    return _trusting().wrap_socket(sock, server_hostname=name)


def pop3(
    host: Host, source: str, *, tls: bool = False, starttls: bool = False, port: int = 0
) -> poplib.POP3:
    """A greeted POP3 connection: plain, TLS from its beginning, or from STLS on."""

    class Client(poplib.POP3):
        def _create_socket(self, timeout: float) -> socket.socket:
            sock = host.connect(source, port or (995 if tls else 110))
            return over_tls(sock) if tls else sock

    client = Client(source)
    if starttls:
        client.stls(_trusting())
    return client


def imap(
    host: Host, source: str, *, tls: bool = False, starttls: bool = False, port: int = 0
) -> imaplib.IMAP4:
    """A greeted IMAP connection: plain, TLS from its beginning, or from STARTTLS on."""

    class Client(imaplib.IMAP4):
        def _create_socket(self, timeout: float | None) -> socket.socket:
            sock = host.connect(source, port or (993 if tls else 143))
            return over_tls(sock) if tls else sock

    client = Client(source)
    if starttls:
        client.starttls(_trusting())
    return client


def log_in(
    host: Host,
    source: str,
    *,
    service: str = "pop3",
    user: str = "alice",
    right: bool = True,
    tls: bool = False,
    starttls: bool = False,
    port: int = 0,
) -> None:
    """Log in and out again, or fail to; on the usual port unless told another."""
    secret = password(user) if right else "wrong"
    if service == "pop3":
        client = pop3(host, source, tls=tls, starttls=starttls, port=port)
        if right:
            client.user(user)
            client.pass_(secret)
        else:
            with suppress(poplib.error_proto):
                client.user(user)
                client.pass_(secret)
        with suppress(poplib.error_proto, OSError, EOFError):
            client.quit()
        return
    imap_client = imap(host, source, tls=tls, starttls=starttls, port=port)
    if right:
        imap_client.login(user, secret)
    else:
        with suppress(imaplib.IMAP4.error):
            imap_client.login(user, secret)
    with suppress(imaplib.IMAP4.error, OSError):
        imap_client.logout()


def rcpt(
    host: Host, source: str, recipient: str = FOREIGN, port: int = 25, *, hang_up: bool = False
) -> tuple[int, str]:
    """What the MTA says to RCPT TO from this client; a dead session is (0, why).

    `hang_up`: don't wait for the reply to QUIT. Exim keeps it back for 0.2 s, in the hope that the
    client closes first.
    """

    class Client(smtplib.SMTP):
        def _get_socket(self, host_name: str, port_: int, timeout: float) -> socket.socket:
            return host.connect(source, port)

    try:
        client = Client("mx", port, local_hostname="client.test")
        try:
            client.ehlo()
            client.mail("ann@example.org")
            code, text = client.rcpt(recipient)
            with suppress(smtplib.SMTPException, OSError):
                client.putcmd("quit") if hang_up else client.quit()
        finally:
            client.close()
    except (smtplib.SMTPException, OSError) as error:
        return 0, str(error)
    return code, text.decode(errors="replace")
