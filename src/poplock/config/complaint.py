"""What types can't say: a value that is wrong though its type is right."""

import re


class Complaint(ValueError):
    """A value that has the right type and is wrong all the same."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__(text)
        self.path = path
        self.text = text


def absolute(where: str, path: str) -> None:
    """Complain about a path that depends on where somebody stands."""
    if not path.startswith("/"):
        raise Complaint(where, f"{path!r} must be an absolute path")


def octal(where: str, mode: str) -> None:
    """Complain about what is no file mode."""
    if not re.fullmatch(r"0?[0-7]{3}", mode):
        raise Complaint(where, f'{mode!r} is no file mode; write it in octal, as "0660"')
