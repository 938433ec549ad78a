"""Read a log as the daemon does, without its event loop: `... -m bench.read_log FILE DIALECT...`.

Tail, scanner, policy and grant table; what would go to the store is thrown away now and then.
Prints JSON: CPU seconds of the reading, logins, logouts and grants.
"""

import json
import sys
import time
from pathlib import Path

from poplock import dialects
from poplock.authorizer import Authorizer
from poplock.core.clock import SystemClock
from poplock.core.policy import Policy, Rules
from poplock.dialects.scanner import Scanner
from poplock.serve import tune_interpreter
from poplock.sources.file import QUIET_SLICE
from poplock.sources.tail import Tail


def main(path: str, *names: str) -> None:
    authorizer = Authorizer(Policy(Rules()), SystemClock())
    tune_interpreter()
    tail, scanner = Tail(Path(path), None, grace=5.0), Scanner(dialects.load(names))
    start = time.process_time()
    while block := tail.read(QUIET_SLICE, time.monotonic()):
        authorizer.record(scanner.feed(block, time.time(), live=False), ("log", tail.position))
        if len(authorizer.pending.grants) > 1000:
            authorizer.take_pending()
    seconds = time.process_time() - start
    counts = authorizer.counts
    held = {"logins": counts.logins, "logouts": counts.logouts, "grants": authorizer.table.count}
    print(json.dumps({"seconds": seconds, **held}))


if __name__ == "__main__":
    main(*sys.argv[1:])
