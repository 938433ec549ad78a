"""`table-poplock SOCKET`: the program that OpenSMTPD 7.6 and later starts for a table.

It asks a running poplock over the socket of an answer of type `line`, one short connection for each
question. It must never end while smtpd runs: smtpd would end too, and with it the mail service. So
whatever happens to poplock is an `error` in a reply, for which smtpd says 451; and what smtpd says
that isn't understood is told on standard error, which goes to its log, and passed over.

Nothing but the standard library is imported.
"""

import os
import socket
import sys

from .answers.opensmtpd import LONGEST_LINE, OpenSmtpdDialogue
from .core.addresses import Network
from .core.answers import Answer, NoOpinion, Permit, Query, Unavailable
from .core.errors import WireError
from .core.grants import Grant

_PATIENCE = 3.0  # seconds for one answer; poplock itself waits for a login for a quarter of one
_SOMEBODYS = Grant(Network("0.0.0.0/32"), "", "", None, 0.0, 0.0, 0.0)
"""Stands for the grant: the socket says that there is one, and not which."""


def main() -> None:
    """Answer until smtpd closes its end."""
    if len(sys.argv) != 2 or not sys.argv[1].startswith("/"):
        sys.exit("usage: table-poplock SOCKET, the path of an answer of type line in poplock.toml")
    talk = OpenSmtpdDialogue()
    # A line at a time, so that one which isn't understood takes no other with it.
    while line := sys.stdin.buffer.readline(LONGEST_LINE + 1):
        try:
            for query in talk.receive_data(line):
                talk.reply(query, ask(sys.argv[1], query))
        except WireError as error:
            sys.stderr.write(f"table-poplock: {error}\n")
        reply = talk.data_to_send()
        while reply:
            reply = reply[os.write(1, reply) :]


def ask(path: str, query: Query) -> Answer:
    """What poplock says to a client."""
    if not query.client.isascii() or any(c.isspace() for c in query.client):
        return NoOpinion("no address")
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(_PATIENCE)
            sock.connect(path)
            sock.sendall(f"check {query.client}\n".encode())
            word = b"".join(iter(lambda: sock.recv(64), b""))
    except OSError as error:
        return Unavailable(str(error))
    match word:
        case b"yes":
            return Permit(_SOMEBODYS)
        case b"no":
            return NoOpinion("no grant")
    return Unavailable("poplock is in trouble")


if __name__ == "__main__":
    main()
