"""An exception says whose fault it is."""

EX_TEMPFAIL = 75
EX_CONFIG = 78
"""Exit statuses, as in sysexits(3)."""


class PoplockError(Exception):
    """Anything poplock raises on purpose; its text is fit to be shown to an operator."""


class ConfigError(PoplockError):
    """The configuration is wrong: the text says which file and line, what and why. Exit 78.

    Who doesn't know the file gives `where`, as in `answer[0].listen`, for who does.
    """

    def __init__(self, text: str, where: str | None = None) -> None:
        super().__init__(text)
        self.where = where


class WireError(PoplockError):
    """The peer broke its protocol. Whoever drives the dialogue closes that connection."""


class StoreError(PoplockError):
    """The store can't be read or written: our trouble, never the client's."""


class MapError(PoplockError):
    """A map could not be published; the old one stays as it was."""
