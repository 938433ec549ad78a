"""Who hides behind whom: addresses that many users log in from.

A proxy or webmail that doesn't hand the client's address on makes every login come from itself;
then whoever sits there relays for all. Behind a NAT it is the same with strangers of one office.
"""

from collections import defaultdict
from collections.abc import Iterator
from ipaddress import ip_network

from .site import Finding, Site, look, well

_MANY = 5  # users of one address: a household has fewer
_MANY_PRIVATE = 3  # of one private address: hardly a roaming client at all
_SHOWN = 10
_NAMED = 3  # users of each


def check(site: Site) -> Iterator[Finding]:
    """Look at the live grants and the history of the last day."""
    users: dict[str, set[str]] = defaultdict(set)
    for row in (*site.grants, *site.history):
        if row.get("network") and row.get("user") and row.get("event", "granted") == "granted":
            users[str(row["network"])].add(str(row["user"]))
    shared = sorted(users, key=lambda n: -len(users[n]))
    found = 0
    for network in shared:
        many = len(users[network])
        private = ip_network(network).is_private
        if many < (_MANY_PRIVATE if private else _MANY):
            continue
        found += 1
        if found > _SHOWN:
            break
        where = f"network {network}"
        some = sorted(users[network])[:_NAMED]
        who = f"{many} users ({', '.join(some)}{', ...' if many > _NAMED else ''}) logged in"
        if private:
            yield look(
                where,
                f"{who} from this private address: a proxy or webmail, probably",
                "have it hand the client's address on, and put its own into policy.never",
            )
        else:
            yield look(
                where,
                f"{who} from here: a NAT, and everybody behind it may relay",
                "policy.match_sender, a shorter policy.window, or policy.never for this network",
            )
    if users and not found:
        yield well("clients", f"{len(users)} networks, none with suspiciously many users")
