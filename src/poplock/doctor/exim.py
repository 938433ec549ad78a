"""Exim: does its RCPT ACL ask poplock, between what is ours and what is refused?"""

import re
from collections.abc import Iterator

from .site import Finding, Site, bad, look, well

_SETUP = "'poplock setup exim' prints the lines"
_PROGRAMS = ("exim4", "exim")


def check(site: Site) -> Iterator[Finding]:
    """Look at the ACL as exim -bP prints it."""
    name = text = None
    for program in _PROGRAMS:
        name = site.output(program, "-bP", "acl_smtp_rcpt")
        if name is not None:
            text = site.output(program, "-bP", "config")
            break
    if name is None or text is None:
        return
    acl_name = name.partition("=")[2].strip()
    in_file = acl_name.startswith("/")
    acl = statements(site.read(acl_name) or "") if in_file else body(text, acl_name)
    if not acl and in_file:
        yield bad("Exim", f"the RCPT ACL {acl_name} is missing or empty", _SETUP)
        return
    if not acl:
        yield bad("Exim", "acl_smtp_rcpt is not set: every recipient is refused", _SETUP)
        return
    ours = names(site)
    asks = next((i for i, s in enumerate(acl) if any(n in s for n in ours)), None)
    if asks is None:
        yield bad("Exim", "the RCPT ACL does not ask poplock: nobody is let in", _SETUP)
        return
    found = False
    last = max((i for i, s in enumerate(acl) if re.match(r"(deny|drop|require)\b", s)), default=-1)
    if last >= 0 and asks > last:
        found = True
        yield bad("Exim", "the check stands behind what refuses foreign recipients", _SETUP)
    opened = [s for s in acl[:asks] if s.split("\n")[0].strip() == "accept" and "\n" not in s]
    if opened:
        found = True
        yield bad("Exim", "'accept' without a condition stands before the check", "take it out")
    if not any("local_domains" in s for s in acl):
        found = True
        yield look("Exim", "no statement of the RCPT ACL names your own domains", _SETUP)
    if "net-iplsearch" in text and not site.maps():
        found = True
        yield look(
            "Exim",
            "a list is read by net-iplsearch: a missing file makes Exim refuse everything",
            "create it, empty, before Exim is told of it",
        )
    if not found:
        yield well("Exim", "asks poplock at the right place")


def names(site: Site) -> list[str]:
    """How Exim may name us: sockets and maps."""
    found = [m.path for m in site.config.map]
    for answer in site.config.answer:
        listen = answer.socket()
        found.append(listen.path or f"{listen.host}:{listen.port}")
    return found


def body(text: str, name: str) -> list[str]:
    """The statements of an ACL, each with its conditions behind it."""
    match = re.search(rf"^\s*{re.escape(name)}:\s*$", text, re.MULTILINE)
    return statements(text[match.end() :]) if match else []


def statements(text: str) -> list[str]:
    """The statements to the end of the ACL, or of the file it stands in."""
    verbs = r"accept|defer|deny|discard|drop|require|warn"
    found: list[str] = []
    for line in text.splitlines():
        bare = line.strip()
        if re.fullmatch(r"[A-Za-z0-9_]+:", bare) or bare.startswith("begin "):
            break
        if not bare or bare.startswith("#"):
            continue
        if re.match(rf"({verbs})\b", bare):
            found.append(bare)
        elif found:
            found[-1] += "\n" + bare
    return found
