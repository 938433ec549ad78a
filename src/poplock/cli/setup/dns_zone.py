"""The DNS zone that an MTA can ask, for those that know no other way."""

from ...config import Config
from ...config.answers import DnsSettings
from ...core.errors import PoplockError


def zone_for(mta: str, config: Config) -> DnsSettings:
    """The configured zone that is asked over UDP; PoplockError says what to add where none is."""
    for answer in config.answer:
        if isinstance(answer, DnsSettings) and answer.socket().kind == "udp":
            return answer
    raise PoplockError(
        f"the configuration has no DNS zone for {mta}; add to it:\n\n"
        '[[answer]]\ntype = "dns"\nlisten = "udp:127.0.0.1:10053"\nzone = "relay.example.org"\n'
    )
