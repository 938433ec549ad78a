"""Python before 3.11.5 (Debian 12 has 3.11.2) loses its place in a possessive group.

`(?:ab)*+` and `(?>ab)` go on behind what a failed last turn had read (gh-106052), so no pattern of
ours has one. A possessive set of characters, as `[^"]*+`, is sound.
"""

import re

import pytest

from poplock.dialects import DIALECTS, load
from poplock.dialects.line import Form
from poplock.wire import syslog


@pytest.mark.parametrize("name", DIALECTS)
def test_no_pattern_has_a_possessive_group(name: str) -> None:
    (dialect,) = load([name], {})
    patterns = [part for rule in dialect.rules for part in (rule.words, rule.body)]
    forms: set[Form] = {form for rule in dialect.rules for form in rule.forms}
    patterns += [begin for form in forms for begin in form.begins]
    for pattern in (*patterns, syslog._RFC_5424.pattern, syslog._BSD.pattern):
        outside = re.sub(rb"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", b"x", pattern)
        assert not re.search(rb"\)(?:[*+?]|\{[\d,]+\})\+|\(\?>", outside), pattern
