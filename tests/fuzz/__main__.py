"""`scripts/fuzz`: runs harnesses and says what they found."""

import argparse
import sys
import time
from random import Random

from . import HARNESSES


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/fuzz")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(HARNESSES)}")
    parser.add_argument("--count", type=int, default=1_000_000, help="inputs for each (10^6)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for name in options.names:
        if name not in HARNESSES:
            parser.error(f"no harness {name!r}; there are {', '.join(HARNESSES)}")
    failed = False
    for name in options.names or HARNESSES:
        start = time.monotonic()
        try:
            HARNESSES[name](Random(f"{options.seed} {name}"), options.count)
        except AssertionError as error:
            failed = True
            print(f"{name}: FAILED: {error}")
        else:
            seconds = time.monotonic() - start
            print(f"{name}: {options.count} inputs, none got through; {seconds:.0f} s", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
