"""What systemd's journal needs so that poplock may read logins there."""

from ...config import Config
from ...config.sources import JournalSettings
from ...core.errors import PoplockError


def lines(config: Config) -> str:
    """Nothing but a group; and how to see what there is to read."""
    source = next((s for s in config.source if isinstance(s, JournalSettings)), None)
    if source is None:
        raise PoplockError(
            "the configuration has no source for the journal; add to it:\n\n"
            '[[source]]\ntype = "journal"\nunits = ["dovecot.service"]\nuids = ["root"]\n'
            'dialects = ["dovecot"]'
        )
    matches = " ".join(f"_SYSTEMD_UNIT={unit}" for unit in source.units)
    who = ", ".join(str(account) for account in source.uids)
    return f"""\
# poplock reads the journal as a member of the group systemd-journal; the unit that comes with it
# has SupplementaryGroups=adm systemd-journal. Started otherwise:
usermod -a -G systemd-journal poplock
# The entries that count, {"of " + who if who else "of every account"} in {", ".join(source.units)}:
journalctl -n 5 {matches}
# If there are none, the server logs elsewhere, or its unit has another name:
journalctl -n 1 -o json -t dovecot | tr ',' '\\n' | grep -E '_SYSTEMD_UNIT|_UID'
"""
