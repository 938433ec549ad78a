"""Postfix: does it ask poplock, at the right place, and can it reach it?

Reads what postconf(1) prints, so `$name` and defaults are as smtpd sees them.
"""

import re
import stat
from collections.abc import Iterator
from ipaddress import ip_network

from ..config.answers import PostfixPolicySettings
from .site import Finding, Site, bad, look, well

_END = ("reject_unauth_destination", "defer_unauth_destination", "reject", "defer")
_RECIPIENTS = "smtpd_recipient_restrictions"
_FOR_STRANGERS = (
    "reject_rbl_client",
    "reject_rhsbl_client",
    "reject_rhsbl_reverse_client",
    "reject_rhsbl_helo",
    "reject_invalid_helo_hostname",
    "reject_non_fqdn_helo_hostname",
    "reject_unknown_helo_hostname",
    "reject_unknown_client_hostname",
    "reject_unknown_reverse_client_hostname",
)
"""What a roaming device hardly ever passes."""
_SETUP = "'poplock setup postfix' prints the lines"


def check(site: Site) -> Iterator[Finding]:
    """Every service of master.cf that takes mail from outside."""
    queue = site.output("postconf", "-h", "queue_directory")
    if queue is None:
        return
    queue = queue.strip()
    ours = _endpoints(site, queue)
    main = site.output("postconf", "-x", "-h", "smtpd_relay_restrictions") or ""
    if not main.strip():  # before 2.10, or emptied: the list of recipients decides
        main = site.output("postconf", "-x", "-h", _RECIPIENTS) or ""
    yield from _restrictions(site, "Postfix", split(main), ours)
    overrides = site.output("postconf", "-P", "*/inet/smtpd_relay_restrictions") or ""
    for line in overrides.splitlines():
        name, _, value = line.partition(" = ")
        service = name.rpartition("/")[0]
        yield from _restrictions(site, f"Postfix, {service} in master.cf", split(value), ours)
    yield from _other_lists(site, ours)
    yield from _my_networks(site)
    yield from _reach(site, queue)


def split(value: str) -> list[str]:
    """The items of a restriction list: parted by commas and blanks, braces kept together."""
    items, depth, item = [], 0, ""
    for char in value:
        depth += (char == "{") - (char == "}")
        if depth == 0 and (char in ", \t\n"):
            items.append(item)
            item = ""
        else:
            item += char
    return [i for i in (*items, item) if i]


def _endpoints(site: Site, queue: str) -> dict[str, str]:
    """How Postfix may name us, and what it asks there."""
    found: dict[str, str] = {}
    for answer in site.config.answer:
        listen = answer.socket()
        if listen.path is not None:
            names = [f"unix:{listen.path}"]
            if listen.path.startswith(f"{queue}/"):
                names.append(f"unix:{listen.path.removeprefix(queue + '/')}")
        else:
            host = f"[{listen.host}]" if ":" in (listen.host or "") else listen.host
            names = [f"inet:{host}:{listen.port}", f"inet:localhost:{listen.port}"]
            names += [f"{host}:{listen.port}", f"localhost:{listen.port}"]
        found |= dict.fromkeys(names, str(type(answer).__struct_config__.tag))
    for map_ in site.config.map:
        name = map_.path.removesuffix(".cdb").removesuffix(".lmdb")
        found[name] = str(type(map_).__struct_config__.tag)
    return found


def _asks_us(site: Site, item: str, argument: str, ours: dict[str, str]) -> str | None:
    """Which of our endpoints a restriction names, by what it is."""
    if item == "check_policy_service":
        text = argument.strip("{} ")
        name = re.split(r"[,\s]", text)[0]
        return ours.get(name)
    if item != "check_client_access":
        return None
    kind, _, name = argument.removeprefix("proxy:").partition(":")
    if kind == "socketmap":
        name = name.rpartition(":")[0]
    return ours.get(name) or (_by_file(site, name, ours) if kind == "sqlite" else None)


def _by_file(site: Site, name: str, ours: dict[str, str]) -> str | None:
    """The database that a Postfix sqlite file names."""
    match = re.search(r"^dbpath\s*=\s*(\S+)", site.read(name) or "", re.MULTILINE)
    return ours.get(match[1]) if match else None


def _restrictions(
    site: Site, where: str, items: list[str], ours: dict[str, str]
) -> Iterator[Finding]:
    place = None
    for i in range(len(items) - 1):
        if _asks_us(site, items[i], items[i + 1], ours):
            place = i
            break
    if place is None:
        yield bad(where, "smtpd_relay_restrictions does not ask poplock: nobody is let in", _SETUP)
        return
    before, after = items[:place], items[place + 2 :]
    found = False
    if "permit" in before:
        found = True
        yield bad(where, "'permit' stands before the check: an open relay", "take it out")
    ended = [end for end in _END if end in before]
    if ended:
        found = True
        yield bad(where, f"{ended[0]} stands before the check, which is never reached", _SETUP)
    elif not any(end in after for end in _END):
        found = True
        yield bad(
            where,
            "nothing refuses foreign recipients behind the check: an open relay",
            "put reject_unauth_destination last",
        )
    if "permit_mynetworks" not in before:
        found = True
        yield look(
            where,
            "permit_mynetworks does not stand before the check: your own hosts ask poplock too",
            _SETUP,
        )
    if "permit_auth_destination" not in before:
        found = True
        yield look(
            where,
            "permit_auth_destination does not stand before the check: local mail waits for"
            " poplock, and is deferred while it is down",
            _SETUP,
        )
    if items[place] == "check_policy_service" and "default_action" not in items[place + 1]:
        found = True
        yield look(
            where,
            "the check has no default_action: while poplock is down, clients hear of a server"
            " configuration error",
            _SETUP,
        )
    if not found:
        yield well(where, "asks poplock at the right place")


def _other_lists(site: Site, ours: dict[str, str]) -> Iterator[Finding]:
    """Checks that refuse a granted device as any stranger: nothing asks poplock before them."""
    for list_ in ("client", "helo", "sender", "recipient"):
        name = f"smtpd_{list_}_restrictions"
        items = split(site.output("postconf", "-x", "-h", name) or "")
        for item, argument in zip(items, [*items, ""][1:], strict=True):
            if _asks_us(site, item, argument, ours):
                break
            if item not in _FOR_STRANGERS and item != "check_policy_service":
                continue
            yield look(
                "Postfix",
                f"{item} in {name} refuses who may relay, too: nothing before it asks poplock",
                f"'poplock setup postfix' prints what stands before it, in {_RECIPIENTS}",
            )
            break


def _my_networks(site: Site) -> Iterator[Finding]:
    for text in split(site.output("postconf", "-x", "-h", "mynetworks") or ""):
        bare = re.sub(r"[\[\]]", "", text.removeprefix("!"))
        try:
            network = ip_network(bare, strict=False)
        except ValueError:
            continue
        if network.is_private or text.startswith("!"):
            continue
        if network.prefixlen < (16 if network.version == 4 else 32):
            yield bad("Postfix", f"mynetworks holds {text}: all of it may relay", "narrow it")


def _reach(site: Site, queue: str) -> Iterator[Finding]:
    """Can smtpd, in its chroot and as its user, open our sockets?"""
    master = site.output("postconf", "-M", "smtp/inet") or ""
    fields = master.split()
    chrooted = len(fields) > 4 and fields[4] == "y"
    for answer in site.config.answer:
        if not isinstance(answer, PostfixPolicySettings):
            continue
        path = answer.socket().path
        if path is None:
            continue
        where = f"socket {path}"
        if chrooted and not path.startswith(f"{queue}/"):
            yield bad(
                where,
                f"smtpd runs in a chroot ({queue}) and can't reach it",
                f'listen = "unix:{queue}/poplock/policy.sock", or inet on loopback',
            )
            continue
        try:
            mode = site.path(path).stat().st_mode
        except OSError as error:
            yield bad(where, f"{error.strerror}", "is the daemon running, with this configuration?")
            continue
        if not mode & stat.S_IWOTH and answer.group is None:
            yield look(
                where,
                "only its owner's group may ask; smtpd runs as user postfix",
                'set group = "postfix" in this [[answer]]',
            )
        else:
            yield well(where, "within smtpd's reach")
