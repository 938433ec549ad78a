"""A mail host's log as rsyslog writes it, for the benches that read one.

Logins, as many ends of sessions, and a failed login now and then stand between what Postfix, a
spam filter, cron and Dovecot's delivery say. Clients come again, some much more often than others.
The same file each time, but for the stamps.
"""

import random
import time
from collections.abc import Iterator
from pathlib import Path

from .common import address, session_id

CLIENTS = 20_000
SPAN = 1800  # seconds that the log tells of; they end now


def write(path: Path, lines: int, logins: int) -> None:
    """Write a log of about `lines` lines, a multiple of a thousand; `logins` in a hundred."""
    dice = random.Random(1)
    start = time.time() - SPAN
    number = 0
    with path.open("wb") as log:
        for thousand in range(lines // 1000):
            moment = time.localtime(start + SPAN * thousand * 1000 / lines)
            stamp = time.strftime("%b %e %H:%M:%S", moment)
            block: list[str] = []
            while len(block) < 1000:
                block += _login(dice, number, 100 // logins)
                number += 1
                if number % 10 == 0:
                    block.append(_failure(number))
            log.write("".join(f"{stamp} mx {line}\n" for line in block).encode())


def _login(dice: random.Random, number: int, lines: int) -> Iterator[str]:
    client = min(int(dice.expovariate(1 / 4000)), CLIENTS - 1)
    user, ip, pid = f"user{client}@example.org", address(client), 1000 + dice.randrange(30_000)
    session, service = session_id(number), dice.choice(("imap", "imap", "pop3"))
    yield (
        f"dovecot: {service}-login: Login: user=<{user}>, method=PLAIN, rip={ip},"
        f" lip=192.0.2.25, mpid={pid}, TLS, session=<{session}>"
    )
    while lines > 2:
        count = min(lines - 2, 11)
        yield from _mail(dice, count)
        lines -= count
    yield (
        f"dovecot: {service}({user})<{pid}><{session}>: Disconnected: Logged out in=312"
        " out=1788 deleted=0 expunged=0 trashed=0 hdr_count=0 hdr_bytes=0 body_count=0"
    )


def _failure(number: int) -> str:
    return (
        "dovecot: imap-login: Disconnected: Connection closed (auth failed, 1 attempts in 2 secs):"
        f" user=<admin>, method=PLAIN, rip=203.0.113.{number % 250}, lip=192.0.2.25, TLS,"
        f" session=<{session_id(number)}>"
    )


def _mail(dice: random.Random, count: int) -> Iterator[str]:
    queue, host = f"{dice.getrandbits(40):010X}", dice.randrange(60_000)
    ip = f"198.51.{host >> 8}.{host & 255}"
    kinds = (
        f"postfix/smtpd[{host}]: connect from host-{host}.dsl.example[{ip}]",
        f"postfix/smtpd[{host}]: {queue}: client=host-{host}.dsl.example[{ip}]",
        f"postfix/cleanup[{host}]: {queue}: message-id=<{queue}.{host}@mail.example>",
        f"postfix/qmgr[812]: {queue}: from=<news@shop.example>, size=4711, nrcpt=1 (queue active)",
        f"postfix/lmtp[{host}]: {queue}: to=<user{host % 5000}@example.org>, relay=mx[lmtp],"
        " delay=0.31, delays=0.2/0.01/0.03/0.07, dsn=2.0.0, status=sent (250 2.0.0 Saved)",
        f"postfix/qmgr[812]: {queue}: removed",
        f"postfix/smtpd[{host}]: disconnect from host-{host}.dsl.example[{ip}] ehlo=1 mail=1 rcpt=1"
        " data=1 quit=1 commands=5",
        f"dovecot: lmtp(user{host % 5000}@example.org)<{host}><{queue}>: sieve: msgid=<{queue}@mail"
        ".example>: stored mail into mailbox 'INBOX'",
        f"rspamd[901]: <{queue}>; task; rspamd_task_write_log: id: <{queue}@m.example>, ip: {ip},"
        " from: <news@shop.example>, (default: F (no action): [1.20/15.00])",
        f"postfix/smtpd[{host}]: NOQUEUE: reject: RCPT from unknown[{ip}]: 554 5.7.1 <a@b.example>:"
        " Relay access denied; from=<x@y.example> to=<a@b.example> proto=ESMTP helo=<[10.0.0.1]>",
        f"CRON[{host}]: (root) CMD (test -x /usr/sbin/anacron || run-parts --report /etc/cron.d)",
    )
    for i in range(count):
        yield kinds[(host + i) % len(kinds)]
