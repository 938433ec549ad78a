"""What a request and a reply of each answer look like, for c/load.c and c/epoll.c."""

from dataclasses import dataclass, replace

_POLICY = """\
request=smtpd_access_policy
protocol_state=RCPT
protocol_name=ESMTP
client_address={ip}
client_name=host-17.dsl.provider.example
client_port=40112
reverse_client_name=host-17.dsl.provider.example
server_address=192.0.2.25
server_port=25
helo_name=[192.168.1.17]
sender=user17@customers.example
recipient=somebody17@elsewhere.example
recipient_count=0
queue_id=
instance=1a2b.67430011.00011.0
size=1629
etrn_domain=
stress=
sasl_method=
sasl_username=
sasl_sender=
ccert_subject=
ccert_issuer=
ccert_fingerprint=
ccert_pubkey_fingerprint=
encryption_protocol=TLSv1.3
encryption_cipher=TLS_AES_256_GCM_SHA384
encryption_keysize=256
policy_context=
compatibility_level=3.6
mail_version=3.7.11

"""


@dataclass(frozen=True)
class Form:
    """One protocol. In `request`, `{ip}` is the client, `{ip+8}` its length plus 8."""

    request: str  # or "dns"
    yes: str = ""
    no: str = ""
    label: str = ""  # stands before the client in a request
    stop: str = ""  # stands behind it
    end: str = ""  # of a request
    closes: bool = False  # one request a connection
    verdict: bool = False  # of a reply, the first byte counts
    udp: bool = False

    def load_arguments(self) -> list[str]:
        """For c/load.c."""
        parts = [self.request, self.yes, self.no] if self.yes else [self.request]
        return [*parts, *self._said(close=self.closes, verdict=self.verdict, udp=self.udp)]

    def server_arguments(self) -> list[str]:
        """For c/epoll.c."""
        parts = [self.label, self.stop, self.end, self.yes, self.no] if self.yes else [self.request]
        return [*parts, *self._said(close=self.closes, udp=self.udp)]

    @staticmethod
    def _said(**options: bool) -> list[str]:
        return [name for name, said in options.items() if said]


POLICY = Form(
    _POLICY, "action=OK\n\n", "action=DUNNO\n\n", "\nclient_address=", stop="\n", end="\n\n"
)
_WHOSON = Form(
    "QUERY {ip}\r\n\r\n",
    "+user@example.org\r\n\r\n",
    "-Not Logged in\r\n\r\n",
    label="QUERY ",
    stop="\r",
    end="\r\n\r\n",
    verdict=True,  # the user's name differs
)
FORMS = {
    "socketmap": Form(
        *("{ip+8}:poplock {ip},", "5:OK OK,", "9:NOTFOUND ,"), label="poplock ", stop=",", end=","
    ),
    "tcp_table": Form(
        *("get {ip}\n", "200 OK\n", "500 no%20grant\n"), label="get ", stop="\n", end="\n"
    ),
    "line": Form("check {ip}\n", "yes", "no", label="check ", stop="\n", end="\n", closes=True),
    "whoson over TCP": _WHOSON,
    "whoson over UDP": replace(_WHOSON, udp=True),
    "dns over TCP": Form("dns"),
    "dns over UDP": Form("dns", udp=True),
}
