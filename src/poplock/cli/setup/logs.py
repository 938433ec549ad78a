"""The log files that a POP/IMAP server's logins are read from."""

from ...config import Config
from ...config.sources import FileSettings
from ...core.errors import PoplockError


def logs(config: Config, dialect: str, usual: str = "/var/log/mail.log") -> list[str]:
    """The log files that are read with this dialect; PoplockError where there is none."""
    paths = [s.path for s in config.source if isinstance(s, FileSettings) and s.reads(dialect)]
    if not paths:
        raise PoplockError(
            f"the configuration has no source for {dialect.capitalize()}; add to it:\n\n"
            f'[[source]]\ntype = "file"\npath = "{usual}"\ndialects = ["{dialect}"]'
        )
    return paths
