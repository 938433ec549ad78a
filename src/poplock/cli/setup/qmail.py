"""qmail: the maps that tcpserver and poplock-check read, and poplock-allow after checkpassword.

netqmail and notqmail are the same here. s/qmail comes with ucspi-tcp6 or ucspi-ssl, whose cdb of
IPv6 rules has keys of its own, so it gets poplock-check alone.
"""

from ...config import Config
from ...config.maps import CdbSettings, DirectorySettings
from ...config.sources import SpoolSettings
from ...core.errors import PoplockError


def lines(config: Config) -> str:
    """The run scripts of qmail-pop3d and qmail-smtpd."""
    cdb = next((m for m in config.map if isinstance(m, CdbSettings)), None)
    directory = _directory(config)
    spool = next((s for s in config.source if isinstance(s, SpoolSettings)), None)
    if cdb is None and directory is None:
        raise PoplockError(
            "the configuration has no map for qmail; add to it one of:\n\n"
            '[[map]]\ntype = "cdb"\npath = "/etc/tcprules/smtp.cdb"\n'
            'static = "/etc/tcprules/smtp"\n\n'
            '[[map]]\ntype = "directory"\npath = "/run/poplock/grants"'
        )
    text = [
        "# qmail relays for everybody if control/rcpthosts is missing: make sure it is there.",
        "#   ls -l /var/qmail/control/rcpthosts",
        "",
    ]
    if cdb is not None:
        text += [
            "# qmail-smtpd, with the cdb that poplock writes (no program more for a connection):",
            f"exec tcpserver -v -R -l 0 -x {cdb.path} 0 smtp /var/qmail/bin/qmail-smtpd",
            f"# Your own rules stay in {cdb.static}; poplock puts them into the cdb first."
            if cdb.static
            else "# To have rules of your own in it as well, name their file as `static`.",
            "",
        ]
    if directory is not None:
        text += [
            "# qmail-smtpd, with poplock-check before it (the end of a grant is tested at use):",
            f"exec env POPLOCK_MAP={directory.path} tcpserver -v -R -l 0 0 smtp \\",
            "    poplock-check /var/qmail/bin/qmail-smtpd",
            "",
        ]
    if spool is not None:
        text += [
            "# qmail-pop3d, with poplock-allow after checkpassword:",
            f"exec env POPLOCK_SPOOL={spool.path} tcpserver -v -R -l 0 0 pop3 \\",
            "    qmail-popup HOST checkpassword poplock-allow qmail-pop3d Maildir",
            "",
        ]
    else:
        text += [
            "# For logins at qmail-pop3d, which logs nothing, add to the configuration:",
            "#   [[source]]",
            '#   type = "spool"',
            '#   path = "/var/spool/poplock"',
            "",
        ]
    return "\n".join(text)


def s_qmail(config: Config) -> str:
    """The run script of s/qmail's qmail-smtpd."""
    directory = _directory(config)
    if directory is None:
        raise PoplockError(
            "the configuration has no map for s/qmail; add to it:\n\n"
            '[[map]]\ntype = "directory"\npath = "/run/poplock/grants"'
        )
    return f"""\
# s/qmail relays for everybody if control/rcpthosts is missing: make sure it is there.
#   ls -l /var/qmail/control/rcpthosts

# In the run script of qmail-smtpd, put poplock-check directly before qmail-smtpd, and its map into
# the environment. ucspi-ssl's sslserver and ucspi-tcp6's tcpserver both set TCPREMOTEIP for it.
# From the documentation of s/qmail; not run by poplock's tests, for Debian has no package of it.
exec env POPLOCK_MAP={directory.path} sslserver -seVn -l 0 -Xx /var/qmail/etc/qmail-smtpd.cdb \\
    :0 smtp poplock-check /var/qmail/bin/qmail-smtpd
"""


def _directory(config: Config) -> DirectorySettings | None:
    return next((m for m in config.map if isinstance(m, DirectorySettings)), None)
