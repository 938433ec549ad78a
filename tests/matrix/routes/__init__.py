"""The routes, one MTA a file."""

from ..route import Route
from .courier import ROUTES as COURIER
from .exim import ROUTES as EXIM
from .haraka import ROUTES as HARAKA
from .opensmtpd import ROUTES as OPENSMTPD
from .postfix import ROUTES as POSTFIX
from .sendmail import ROUTES as SENDMAIL
from .tcpserver import ROUTES as TCPSERVER

ROUTES: tuple[Route, ...] = (
    *POSTFIX,
    *EXIM,
    *SENDMAIL,
    *OPENSMTPD,
    *COURIER,
    *TCPSERVER,
    *HARAKA,
)
