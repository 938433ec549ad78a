"""TLS for listeners: 1.2 and newer, with client certificates where a CA for them is named."""

import ssl

from ..config.listen import Tls
from ..core.errors import ConfigError


def server_context(tls: Tls, where: str) -> ssl.SSLContext:
    """The context that `tls` describes; ConfigError names the key whose file isn't right."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"cannot use the certificate {tls.certificate} with the key {tls.key}: {error}",
            f"{where}.certificate",
        ) from error
    if tls.client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(tls.client_ca)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"cannot use {tls.client_ca} as CA of clients: {error}", f"{where}.client_ca"
            ) from error
    return context
