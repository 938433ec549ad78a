"""Patterns of the configuration: what is taken, and what is refused and why."""

import random
import re
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poplock.core.events import Event, Failure, Login, Logout
from poplock.dialects.model import Dialect
from poplock.dialects.own import PatternError, check_together, own_rule
from poplock.dialects.scanner import Scanner

NOW = 1_800_000_000.0
IP = "(?P<ip>[0-9a-fA-F.:]+)"
GOOD = [
    f"^login from {IP} as (?P<user>[^ ]+)$",
    f"^login from {IP} as (?P<user>.+)$",
    f"^login user=(?P<user>[^ ]+) ip={IP}$",
    rf"^login user=(?P<user>\S+) ip={IP}$",
    f"^(?:INFO: )?(?:LOGIN|Login), user=(?P<user>[^,]+), ip={IP}, port=[0-9]{{1,5}}$",
    rf"^(?P<user>[^ ]+) logged in \({IP}\)(?: port \d+)?$",
    f"^session (?P<session>[0-9a-f]+) of <(?P<user>[^<>]{{1,255}})>, ip=<{IP}>$",
    f"^login user=(?P<user>[^ ]+) ip={IP} by [^ ]+$",
    f"^OK {IP} [^\\n]*; user=(?P<user>[^;]+)$",
]
BAD = [
    (f"login from {IP} as (?P<user>[^ ]+)$", "not anchored"),
    (f"^login from {IP} as (?P<user>[^ ]+)", "not anchored"),
    (f"^login from {IP} (?P<user>a)|(?P<session>b)$", "not anchored"),
    (f"^a$|^login from {IP} as (?P<user>[^ ]+)$", "not anchored"),
    (f"^(?:^login) from {IP} as (?P<user>[^ ]+)$", "at its ends only"),
    (f"^login user=(?P<user>.*) ip={IP}$", "open field stands before the address"),
    (f"^login user=(?P<user>[^>]*), ip={IP}$", "open field stands before the address"),
    (rf"^login (?P<user>\S+)@\S+ {IP}$", "open field stands before the address"),
    (f"^(?:[^ ]+ )*{IP} (?P<user>[^ ]+)$", "open field stands before the address"),
    (f"^login user=(?P<user>[^ ]+) ip={IP}[^\\n]*$", "ambiguous"),
    (f"^login (?P<user>[^ ]+) {IP}[0-9]*$", "ambiguous"),
    (f"^(?:[^ ]+ )?{IP} (?P<user>.+)$", "ambiguous"),
    (f"^login user=(?P<user>[^ ]+) ip={IP}, .*$", "led astray"),
    (f"^host [^ ]+ {IP} user (?P<user>.+)$", "led astray"),
    ("^login (?P<user>[^ ]+) (?P<ip>[^ ]+)$", "of which no address is made"),
    ("^login (?P<user>[^ ]+)$", "needs the group 'ip'"),
    (f"^login {IP}$", "needs the group 'user'"),
    (f"^login (?:{IP})? (?P<user>[^ ]+)$", "stands in another group"),
    (f"^login (?:{IP}|no) (?P<user>[^ ]+)$", "stands in another group"),
    (f"^login {IP} (?P<user>[^ ]+) (?P<usr>[^ ]+)$", "unknown group 'usr'"),
    (f"^login {IP} ([^ ]+) (?P<user>[^ ]+)$", "without a name"),
    (f"^login {IP} (?P<user>a) (?P<user>b)$", "redefinition of group name"),
    (f"^login {IP} (?P<user>[^ ]+$", "not a pattern"),
    (f"^login {IP} (?P<user>[^ ]+)(?=x)$", "is not the same"),
    (f"^login {IP} (?i:x)(?P<user>[^ ]+)$", "is not the same"),
    (rf"^login {IP} (?P<user>\pL+)$", "is not the same"),
    (f"^login {IP} (?P<user>[^ ]++)$", "is not the same"),
    (f"^login {IP} x{{,3}}(?P<user>[^ ]+)$", "is not the same"),
    (f"^login {IP} (?P<user>[[:alpha:]]+)$", "not a pattern"),
    (f"^login {IP} (?P<user>é+)$", "printable ASCII"),
    (f"^login {IP} (?P<user>(?:a{{900}}){{900}})$", "RE2 doesn't take it"),
    ("^" + "a" * 3000 + "$", "longer than"),
    (f"^{IP} (?P<user>" + ".?" * 250 + ")$", "too intricate"),
]


@cache  # to look through a pattern takes longer than what is read with it
def scanner(pattern: str, kind: str = "login", form: str = "syslog") -> Scanner:
    tags = ("oddpop",) if form == "syslog" else ()
    return Scanner([Dialect("odd", (own_rule(kind, pattern, tags, form, "pop3", None),))])


def read(pattern: str, text: str | bytes, kind: str = "login") -> list[Event]:
    raw = text.encode() if isinstance(text, str) else text
    return scanner(pattern, kind).feed(b"Nov 24 10:00:00 mx oddpop[1]: " + raw + b"\n", NOW)


@pytest.mark.parametrize("pattern", GOOD)
def test_a_careful_pattern_is_taken(pattern: str) -> None:
    assert own_rule("login", pattern, ("oddpop",), "syslog", "pop3", None)


@pytest.mark.parametrize(("pattern", "why"), BAD, ids=[p[:60] for p, _ in BAD])
def test_a_careless_pattern_is_refused_with_the_reason(pattern: str, why: str) -> None:
    with pytest.raises(PatternError, match=why):
        own_rule("login", pattern, ("oddpop",), "syslog", "pop3", None)


def test_the_line_that_is_shown_would_indeed_lead_the_pattern_astray() -> None:
    pattern = f"^login user=(?P<user>[^ ]+) ip={IP}, .*$"
    with pytest.raises(PatternError) as refused:
        own_rule("login", pattern, ("oddpop",), "syslog", "pop3", None)
    shown = re.search(r"as in '(.*?)'\. ", str(refused.value))
    assert shown is not None
    assert shown[1].count(" ip=") == 2
    assert re.fullmatch(pattern[1:-1], shown[1])


def test_what_the_groups_say_is_in_the_event() -> None:
    (event,) = read(f"^login from {IP} as (?P<user>[^ ]+)$", "login from 192.0.2.7 as ann")
    assert isinstance(event, Login)
    assert (str(event.ip), event.user, event.service) == ("192.0.2.7", "ann", "pop3")
    assert (event.tls, event.session, event.dialect) == (None, None, "odd")
    (event,) = read("^bye (?P<session>[0-9a-f]+)$", "bye 7f", "logout")
    assert isinstance(event, Logout)
    assert event.session == "7f"
    (event,) = read(f"^bad (?P<user>.*) from {IP}$", "bad a from b from 192.0.2.7", "failure")
    assert isinstance(event, Failure)
    assert str(event.ip) == "192.0.2.7"


@pytest.mark.parametrize(
    "text",
    [
        "login from 192.0.2.777 as ann",
        "login from 192.0.2.7 as ann ",
        "xlogin from 192.0.2.7 as ann",
        "login from 192.0.2.7 as",
        b"login from 192.0.2.7 as \xff\xfe",
        b"login from 192.0.2.7 as a" + b"n" * 10_000,
    ],
)
def test_a_line_that_is_not_quite_so_is_no_login(text: str | bytes) -> None:
    assert read(f"^login from {IP} as (?P<user>[^ ]+)$", text) == []


def test_a_line_may_end_with_a_carriage_return() -> None:
    assert read(f"^login from {IP} as (?P<user>[^ ]+)$", b"login from 192.0.2.7 as ann\r")


def test_a_service_may_come_from_the_line() -> None:
    rule = own_rule("login", f"^(?P<service>POP3|IMAP) {IP} (?P<user>.+)$", (), "own", None, True)
    (event,) = Scanner([Dialect("odd", (rule,))]).feed(
        b"2026-11-24 10:00:00 IMAP 192.0.2.7 ann\n", NOW
    )
    assert (event.service, event.tls) == ("imap", True)


def test_two_patterns_that_both_read_a_line_make_no_login_of_it() -> None:
    patterns = (f"^from {IP} for (?P<user>.+)$", f"^from {IP} for (?P<user>[^ ]+ [^ ]+)$")
    found = Scanner(
        [
            Dialect(
                "odd",
                tuple(own_rule("login", p, ("oddpop",), "syslog", "pop3", None) for p in patterns),
            )
        ]
    )
    line = b"Nov 24 10:00:00 mx oddpop: from 192.0.2.7 for "
    assert found.feed(line + b"ann bell\n", NOW) == []
    assert len(found.feed(line + b"ann\n", NOW)) == 1


nasty = st.lists(
    st.one_of(
        st.sampled_from(
            [
                *(b" ip=198.51.100.7", b", ", b"> ", b"<", b" as x", b"198.51.100.7", b" "),
                *(b" port 1", b"login from 198.51.100.7 as x", b"user=x", b"; user=z", b")"),
                *(b" logged in (", b" by x"),
            ]
        ),
        st.binary(max_size=6),
    ),
    max_size=8,
).map(lambda parts: b"".join(parts).replace(b"\n", b""))

SERVERS = [
    b"login from 192.0.2.66 as %b",
    b"login from 192.0.2.66 as %b",
    b"login user=%b ip=192.0.2.66",
    b"login user=%b ip=192.0.2.66",
    b"LOGIN, user=%b, ip=192.0.2.66, port=7",
    b"%b logged in (192.0.2.66) port 7",
    b"session 7f of <%b>, ip=<192.0.2.66>",
    b"login user=%b ip=192.0.2.66 by %b",
    b"OK 192.0.2.66 %b; user=%b",
]


@pytest.mark.parametrize(("pattern", "server"), list(zip(GOOD, SERVERS, strict=True)))
@settings(max_examples=200)
@given(nasty)
def test_no_pattern_that_was_taken_is_led_astray(pattern: str, server: bytes, name: bytes) -> None:
    for event in read(pattern, server.replace(b"%b", name)):
        assert str(event.ip) == "192.0.2.66", name


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("failure", f"^(?P<user>.*) failed from {IP}$"),
        ("failure", rf"^(?P<user>\S+ ?\S* ?\S* ?\S* ?\S*) {IP} failed$"),
        ("login", f"^(?P<user>[^,]+), logged in from {IP}$"),
        ("logout", "^login from (?P<session>[^ ]+) as [a-z]+$"),
    ],
)
def test_a_line_of_another_kind_must_not_pass_for_a_login(kind: str, text: str) -> None:
    login = ("login", f"^login from {IP} as (?P<user>.+)$")
    with pytest.raises(PatternError, match="pass for a login"):
        check_together([login, (kind, text)])
    check_together([login, ("failure", f"^no login from {IP} as (?P<user>.+)$")])


def test_random_patterns_are_taken_or_refused_and_nothing_else() -> None:
    dice = random.Random(1)
    parts = [
        "^",
        "$",
        IP,
        "(?P<user>",
        ")",
        "[^ ]+",
        ".*",
        " ",
        "|",
        "(?:",
        "*",
        "{2,3}",
        "x",
        "\\",
    ]
    for _ in range(3000):
        pattern = "^" + "".join(dice.choices(parts, k=dice.randrange(12))) + "$"
        try:
            own_rule("login", pattern, ("oddpop",), "syslog", "pop3", None)
        except PatternError as error:
            assert str(error)
