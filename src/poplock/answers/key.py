"""The key that an MTA looks up, freed from that MTA's decoration.

Sendmail writes `IPv6:2001:db8:0:0:0:0:1:2` (lower-cased in a map), OpenSMTPD `[2001:db8::1:2]`;
Postfix and Exim write the address and nothing else. Which of the results is an address, and which
network it stands for, is decided in one place: `core.addresses.parse_ip`. A key that is a host name
passes here and is nobody's address there.
"""


def client(key: bytes) -> str:
    """The client that a key means; for what is no address, any text that is none either."""
    if not key[:1].isdigit():  # as nearly all addresses begin
        if key[:1] == b"[" and key[-1:] == b"]":
            key = key[1:-1]
        if key[:5].lower() == b"ipv6:":
            key = key[5:]
    try:
        return key.decode("ascii")
    except UnicodeDecodeError:
        return ""
