"""Tells logins over HTTP as fast as they are acknowledged: python -m bench.http_load ARGUMENTS.

PORT TOKEN ITEMS CONNECTIONS SECONDS: on each connection one request outstanding, each with ITEMS
logins that nobody told before. Prints one JSON object: logins acknowledged, and how many a second,
and the share of the time that this program was busy.
"""

import json
import socket
import sys
import threading
import time
from itertools import count

from .common import address


def main() -> None:
    port, token, items, connections, seconds = sys.argv[1:]
    number = count()
    told = [0] * int(connections)
    begin, start = time.process_time(), time.perf_counter()
    end = start + float(seconds)
    threads = [
        threading.Thread(target=_tell, args=(int(port), token, int(items), end, number, told, i))
        for i in range(int(connections))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - start
    busy = (time.process_time() - begin) / took
    print(json.dumps({"told": sum(told), "rate": sum(told) / took, "cpu": busy}))


def _tell(
    port: int, token: str, items: int, end: float, number: "count[int]", told: list[int], me: int
) -> None:
    with socket.create_connection(("127.0.0.1", port), 60) as sock:
        while time.perf_counter() < end:
            body = ",".join(_login(next(number)) for _ in range(items)).encode()
            if items > 1:
                body = b"[" + body + b"]"
            sock.sendall(
                b"POST /v1/logins HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
                b"Authorization: Bearer %b\r\nContent-Length: %d\r\n\r\n%b"
                % (token.encode(), len(body), body)
            )
            answer = _answer(sock)
            if answer.count(b'"recorded"') != items:
                raise SystemExit(f"not recorded: {answer[:300]!r}")
            told[me] += items


def _login(n: int) -> str:
    return (
        f'{{"id":"{n:x}","ip":"{address(n % 1_000_000)}","user":"user{n}@example.org",'
        '"service":"imap","tls":true}'
    )


def _answer(sock: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(sock)
    head, _, body = data.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        raise SystemExit(f"refused: {data[:300]!r}")
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += _more(sock)
    return body


def _more(sock: socket.socket) -> bytes:
    piece = sock.recv(65_536)
    if not piece:
        raise SystemExit("the server closed the connection")
    return piece


if __name__ == "__main__":
    main()
