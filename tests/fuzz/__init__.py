"""Fuzz harnesses, by name: `scripts/fuzz [NAME ...] [--count N] [--seed S]`.

A harness is a function `(random, count)` that tries `count` inputs and raises AssertionError, with
the input in its message, where one does what it must not. Random numbers come from `random` only,
so a seed finds the same inputs again.
"""

from collections.abc import Callable
from random import Random

from poplock.dialects import DIALECTS

from . import dialects, forms, network, syslog

Harness = Callable[[Random, int], None]

HARNESSES: dict[str, Harness] = {
    **{f"dialect:{name}": dialects.harness(name) for name in DIALECTS},
    **{f"form:{name}": forms.harness(name) for name in forms.NAMES},
    "whoson": network.whoson,
    "drac": network.drac,
    "radius": network.radius,
    "syslog": syslog.harness,
}
