"""Whatever a client writes into the fields it controls: the true address is granted, or none."""

import time
from functools import cache
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from poplock.dialects import DIALECTS, load
from poplock.dialects.pending import Pending
from poplock.dialects.scanner import Scanner
from tests.fuzz.dialects import check
from tests.fuzz.hostile import PIECES, SAMPLES, escaped, templates

pieces = st.sampled_from([*PIECES, b"x" * 10_000])
text = st.lists(st.one_of(pieces, st.binary(max_size=20)), max_size=6).map(
    lambda parts: escaped(b"".join(parts))
)
HOSTILE = sorted(SAMPLES.glob("**/*.hostile"))


_templates = cache(templates)


@cache
def _scanner() -> Scanner:
    return Scanner(load(DIALECTS))


def scanner() -> Scanner:
    """Of all dialects, without a memory: to make one takes longer than to read a line."""
    made = _scanner()
    made.pending = Pending()
    return made


@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: path.stem)
@settings(max_examples=100, deadline=None)
@given(text, text)
@example(b"a>, method=PLAIN, rip=198.51.100.7, lip=1.1.1.1, session=<x", b"")
@example(b"a>, rip=198.51.100.7, x=<b", b"")
@example(b"a, ip=[198.51.100.7], port=[1]", b"")
@example(b"a:198.51.100.7", b"")
@example(b"x') a:198.51.100.7", b"")
def test_no_login_from_an_address_that_a_client_wrote(
    path: Path, user: bytes, other: bytes
) -> None:
    """Each text in all of a file's templates: to think of one takes longer than to read a line."""
    for template in _templates(path):
        check(scanner(), template, template.fill(user, [other]))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(pieces, st.binary(max_size=100)), max_size=20).map(b"".join))
def test_any_bytes_at_all_are_read_without_an_error(data: bytes) -> None:
    for event in scanner().feed(data + b"\n", time.time()):
        assert event.dialect in DIALECTS
