"""The routes, one MTA a file."""

from ..route import Route
from .exim import ROUTES as EXIM
from .postfix import ROUTES as POSTFIX
from .sendmail import ROUTES as SENDMAIL

ROUTES: tuple[Route, ...] = (*POSTFIX, *EXIM, *SENDMAIL)
