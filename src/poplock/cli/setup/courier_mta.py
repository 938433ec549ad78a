"""Courier MTA: poplock-check before courieresmtpd, or an access file that poplock writes."""

from pathlib import Path

from ...config import Config
from ...config.maps import DirectorySettings, TextSettings
from ...core.errors import PoplockError

_MISSING = """\
the configuration has no map for Courier; add to it:

[[map]]
type = "directory"
path = "/run/poplock/grants"
"""
_WORKS = """\
# It works when, after a POP or IMAP login from another host, `poplock check ADDRESS` says permit
# and that host's mail to a foreign domain is accepted. All others hear 513 Relaying denied.
"""


def lines(config: Config) -> str:
    """Lines for /etc/courier/esmtpd, or what to do with the access file."""
    for each in config.map:
        match each:
            case DirectorySettings():
                return _check(each)
            case TextSettings(form="courier"):
                return _access(each)
    raise PoplockError(_MISSING)


def _check(settings: DirectorySettings) -> str:
    return f"""\
# /etc/courier/esmtpd
# At the end of the file. couriertcpd starts the first program behind the port, so poplock-check
# runs before courieresmtpd, and sets RELAYCLIENT for who holds a live grant.
PORT="smtp /usr/bin/poplock-check"
POPLOCK_MAP={settings.path}

# Then: systemctl restart courier-mta
{_WORKS}"""


def _access(settings: TextSettings) -> str:
    folder = Path(settings.path).parent
    return f"""\
# /etc/courier/esmtpd
# At the end of the file. All files of this folder are access files to Courier.
ACCESSFILE={folder}

# Your own rules belong there as well: mv /etc/courier/smtpaccess/default {folder}/
# The lease file must not: keep poplock's file and nothing else that changes in that folder.
# couriertcpd reads them when makesmtpaccess has run, as root; poplock isn't root.
# Then: makesmtpaccess && systemctl restart courier-mta
{_WORKS}"""
