"""The routes, one MTA a file."""

from ..route import Route
from .postfix import ROUTES as POSTFIX

ROUTES: tuple[Route, ...] = (*POSTFIX,)
