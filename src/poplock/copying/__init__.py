"""Rights from one store into another: SQLite to a shared store, back, or like to like.

A pass goes through all that is live in FROM and gives TO what that lacks, revocations first; passes
are made until one finds nothing lacking, which is the proof that all is there. So a copy that was
killed goes on where it was when it is run again, one that is run twice changes nothing, and logins
may go on meanwhile.

TO is never overwritten. A file merges by the law of `core.grants`. In a shared store a register has
one writer, its host, and the later told stands: what is copied from a file goes into the registers
of its host, told at the moment of that file's last commit. So whatever the host itself has told
since then stands, and of what it told before the file knows the rest.

Each store has its scale of time. TO's times are FROM's, moved by what the scales are apart, and
never later by it.
"""

from .copy import Outcome, Watch, copy
from .end import End
from .file import FileEnd
from .shared import SharedEnd

__all__ = ["End", "FileEnd", "Outcome", "SharedEnd", "Watch", "copy"]
