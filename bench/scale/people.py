"""The people of a site: who shares an address, who is on, when they log in, when they send.

Every mailbox of the site is drawn by itself (ten million are a second's work), so nothing here is a
mean: a carrier's address with a thousand users has them all.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .site import Access, Site

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class People:
    """One entry for each mailbox."""

    site: Site
    network: Ints
    period: Floats
    on: Floats  # share of the like at the peak, calibrated
    session: Bools
    luck: Floats  # uniform; who is on at a load of x is whose luck is below x * on
    phase: Floats  # how much of its period has passed since the last login when time begins
    networks: int

    def awake(self, load: float = 1.0) -> Bools:
        """Who is on when the load is that share of the peak's."""
        return self.luck < self.on * load

    def granted(self, load: float = 1.0) -> Bools:
        """Who holds a grant: who has a session or has logged in within the window."""
        recently = self.phase * self.period < self.site.window
        return self.awake(load) & (self.session | recently)


@dataclass(frozen=True)
class Questions:
    """What the MTAs ask in a stretch of time, in order of time."""

    time: Floats
    network: Ints
    host: Ints
    hit: Bools  # the host's view answers


def settle(site: Site, seed: int = 1) -> People:
    """Draw the site's people."""
    dice = np.random.default_rng(seed)
    network = _networks(site, dice)
    count = len(network)
    kinds = list(site.clients.values())
    kind = dice.choice(len(kinds), count, p=[k.share for k in kinds])
    period = np.array([k.period for k in kinds])[kind]
    on = np.array([k.on for k in kinds])[kind]
    on *= site.logins / float(np.sum(on / period))
    if on.max() > 1:
        raise ValueError("more logins than these clients can make")
    session = np.array([k.session for k in kinds])[kind]
    luck, phase = dice.random(count), dice.random(count)
    return People(site, network, period, on, session, luck, phase, int(network.max()) + 1)


def _networks(site: Site, dice: np.random.Generator) -> Ints:
    """The network of each mailbox."""
    parts: list[npt.NDArray[np.int64]] = []
    first = 0
    for access in site.access.values():
        left = round(site.mailboxes * access.share)
        sizes = _sizes(access, left, dice)
        parts.append(np.repeat(np.arange(first, first + len(sizes)), sizes)[:left])
        first += len(sizes)
    all_of_them = np.concatenate(parts).astype(np.int32)
    dice.shuffle(all_of_them)
    return all_of_them


def _sizes(access: Access, mailboxes: int, dice: np.random.Generator) -> npt.NDArray[np.int64]:
    """Mailboxes behind each address, until there are enough."""
    if access.spread == 0:
        return np.full(-(-mailboxes // round(access.median)), round(access.median))
    mean = access.median * np.exp(access.spread**2 / 2)
    drawn = dice.lognormal(np.log(access.median), access.spread, int(mailboxes / mean * 1.5) + 100)
    sizes = np.clip(np.rint(drawn), 1, access.most).astype(np.int64)
    needed = int(np.searchsorted(np.cumsum(sizes), mailboxes)) + 1
    return sizes[:needed]


def logins(people: People, awake: Bools, seconds: float) -> tuple[Floats, Ints]:
    """Times and mailboxes of all logins in [0, seconds), in order of time."""
    who = np.flatnonzero(awake).astype(np.int32)
    period = people.period[who]
    first = (1 - people.phase[who]) * period
    times, mailboxes = [], []
    for turn in range(int(seconds / period.min()) + 1):
        at = first + turn * period
        now = at < seconds
        times.append(at[now])
        mailboxes.append(who[now])
    time, mailbox = np.concatenate(times), np.concatenate(mailboxes)
    order = np.argsort(time)
    return time[order], mailbox[order]


def questions(
    people: People, awake: Bools, told: tuple[Floats, Ints], seconds: float, seed: int = 3
) -> Questions:
    """What is asked in [0, seconds) about networks with a grant, and what the views know."""
    site, dice = people.site, np.random.default_rng(seed)
    who = np.flatnonzero(awake)
    busy = dice.lognormal(0, site.mail_spread, len(who))
    busy *= site.mails / 3600 * seconds * (1 - site.after_login) / busy.mean()
    sent = np.repeat(who, dice.poisson(busy))
    when = dice.random(len(sent)) * seconds
    rate = site.mails / 3600 * site.after_login * len(who) * seconds / max(1, len(told[0]))
    chosen = np.flatnonzero(dice.random(len(told[0])) < rate)
    after = told[0][chosen] + 0.5 + dice.exponential(3, len(chosen))
    sent = np.concatenate([sent, told[1][chosen]])
    when = np.concatenate([when, after])
    network = people.network[sent]
    host = dice.integers(0, site.smtp_hosts, len(sent)).astype(np.int32)
    several = dice.geometric(1 / site.recipients, len(sent))
    mail = np.repeat(np.arange(len(sent)), several)
    number = np.arange(len(mail)) - np.repeat(np.cumsum(several) - several, several)
    time = when[mail] + 0.05 * number
    network, host = network[mail], host[mail]
    hit = _known(time, network, host, told[0], people.network[told[1]], site.smtp_hosts)
    inside = time < seconds
    order = np.argsort(time[inside])
    return Questions(
        *(column[inside][order] for column in (time, network.astype(np.int32), host, hit))
    )


def _known(
    time: Floats, network: Ints, host: Ints, told: Floats, told_network: Ints, hosts: int
) -> Bools:
    """Whether the host was asked about the network since the last login from there.

    A login changes the network's key, and every view that holds it drops it.
    """
    last = _latest_before(time, network, told, told_network)
    place = network.astype(np.int64) * hosts + host
    order = np.lexsort((time, place))
    before = np.full(len(time), -np.inf)
    same = place[order][1:] == place[order][:-1]
    before[order[1:][same]] = time[order[:-1][same]]
    return before > last


def _latest_before(time: Floats, network: Ints, told: Floats, told_network: Ints) -> Floats:
    """The last login from the network before each time; minus infinity where there is none."""
    order = np.lexsort((told, told_network))
    scale = 1e6  # more than any time here, so that (network, time) is one sortable number
    logged = told_network[order] * scale + told[order]
    found = np.searchsorted(logged, network * scale + time) - 1
    ours = (found >= 0) & (told_network[order][found] == network)
    # Views are empty when time begins: a login from before counts as none.
    return np.where(ours, told[order][found], -1.0)
