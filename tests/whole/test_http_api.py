"""The HTTP API of a real daemon: what its OpenAPI description says, and what an operator sees."""

import http.client
import json
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig

from tests.daemon import ROOT, Poplock

CONFIG = """
[[source]]
type = "http"
listen = ["inet:127.0.0.1:{port}"]
tokens_file = "{folder}/tokens"
"""
ANN = {"ip": "203.0.113.9", "user": "ann", "service": "imap"}

# A description can't say that a time must not be in the future, or that characters are printable;
# that an id is not for two events, and that a batch of more items than it allows is "too large".
CHECKS = {
    "positive_data_acceptance": {"expected-statuses": ["2xx", "409", "422"]},
    "negative_data_rejection": {"expected-statuses": ["400", "401", "405", "413", "415", "422"]},
}
description = schemathesis.openapi.from_path(
    ROOT / "src/poplock/sources/openapi.json",
    config=SchemathesisConfig.from_dict({"checks": CHECKS}),
)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Api:
    """A daemon with the API, and a token for it."""

    def __init__(self, folder: Path, more: str = "") -> None:
        self.port = free_port()
        (folder / "tokens").touch()
        self.poplock = Poplock(folder, CONFIG.format(port=self.port, folder=folder) + more)
        done = self.poplock.run("token", "t", "--scope", "logins,logouts", "--rate", "100000/s")
        self.headers = {"Authorization": f"Bearer {done.stdout.strip()}"}

    def tell(self, body: object, what: str = "logins") -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        headers = self.headers | {"Content-Type": "application/json"}
        connection.request("POST", f"/v1/{what}", json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    made = Api(tmp_path_factory.mktemp("api"))
    with made.poplock:
        yield made


@description.parametrize()
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_daemon_does_what_its_description_says(case: schemathesis.Case, api: Api) -> None:
    case.call_and_validate(base_url=f"http://127.0.0.1:{api.port}", headers=api.headers)


def test_the_description_is_what_the_daemon_gives_out(api: Api) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=20)
    connection.request("GET", "/v1/openapi.json")
    given = json.loads(connection.getresponse().read())
    assert given == json.loads((ROOT / "src/poplock/sources/openapi.json").read_text())


def test_a_login_permits_and_survives_kill_9(tmp_path: Path) -> None:
    api = Api(tmp_path)
    with api.poplock as poplock:
        assert api.tell(ANN) == (200, {"status": "recorded"})
        poplock.end(signal.SIGKILL)
        poplock.start()
        assert poplock.answer(ANN["ip"]) == "permit"
        (grant,) = poplock.grants()
        assert (grant["user"], grant["source"]) == ("ann", "http")
        (source,) = poplock.status()["sources"]
        assert source["source"] == "http"


def test_sessions_and_released_addresses(tmp_path: Path) -> None:
    api = Api(tmp_path)
    with api.poplock as poplock:
        api.tell(ANN | {"session": "s1"})
        assert [g["sessions"] for g in poplock.grants()] == [1]
        assert api.tell({"session": "s1"}, "logouts")[0] == 200
        assert [g["sessions"] for g in poplock.grants()] == [0]
        gone = {"ip": ANN["ip"], "user": "ann", "released": True}
        assert api.tell(gone, "logouts")[0] == 200
        assert poplock.answer(ANN["ip"]) == "none"


def test_a_store_that_is_gone_is_a_503_and_what_was_told_is_kept_once_it_is_back(
    tmp_path: Path,
) -> None:
    api = Api(tmp_path)
    with api.poplock as poplock:
        store = tmp_path / "poplock.db"
        store.rename(store.with_suffix(".away"))
        status, problem = api.tell(ANN | {"id": "e1"})
        assert (status, problem["title"]) == (503, "Service Unavailable")
        store.with_suffix(".away").rename(store)
        poplock.until(lambda: api.tell(ANN | {"id": "e1"})[0] == 200, "the store is back")
        assert poplock.answer(ANN["ip"]) == "permit"
        assert poplock.status()["counts"]["logins"] == 1


def test_tls_demands_a_certificate_of_the_clients_ca(tmp_path: Path) -> None:
    for name in ("server", "client"):
        subprocess.run(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
            f" -subj /CN={name} -addext subjectAltName=DNS:{name}"
            f" -keyout {tmp_path}/{name}.key -out {tmp_path}/{name}.crt",
            shell=True,
            check=True,
            capture_output=True,
        )
    tls = (
        f'tls = {{ certificate = "{tmp_path}/server.crt", key = "{tmp_path}/server.key",'
        f' client_ca = "{tmp_path}/client.crt" }}\n'
    )
    api = Api(tmp_path, tls)
    context = ssl.create_default_context(cafile=str(tmp_path / "server.crt"))
    context.check_hostname = False

    def tell() -> int:
        connection = http.client.HTTPSConnection("127.0.0.1", api.port, context=context, timeout=20)
        headers = api.headers | {"Content-Type": "application/json"}
        connection.request("POST", "/v1/logins", json.dumps(ANN), headers)
        return connection.getresponse().status

    with api.poplock as poplock:
        with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
            tell()
        assert poplock.grants() == []
        assert poplock.status()["sources"][0]["refused"] == 1
        context.load_cert_chain(tmp_path / "client.crt", tmp_path / "client.key")
        assert tell() == 200
        assert poplock.answer(ANN["ip"]) == "permit"


def test_a_wrong_tokens_file_is_exit_78_with_its_line(tmp_path: Path) -> None:
    api = Api(tmp_path)
    (tmp_path / "tokens").write_text("t logins\n")
    done = api.poplock.run("run")
    assert done.returncode == 78
    assert "tokens: line 1: a line has a name, scopes and a hash" in done.stderr
    (tmp_path / "tokens").unlink()
    done = api.poplock.run("run")
    assert done.returncode == 78
    assert "make it with: poplock token NAME" in done.stderr


def test_without_the_extra_web_it_is_exit_78_and_says_how_to_get_it(tmp_path: Path) -> None:
    api = Api(tmp_path)
    without = (
        "import sys; from importlib.machinery import PathFinder; real = PathFinder.find_spec\n"
        "PathFinder.find_spec = lambda name, *more: None if name in ('uvicorn', 'starlette')"
        " else real(name, *more)\n"
        "from poplock.serve import main; sys.argv[1:] = [sys.argv[1]]; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", without, str(api.poplock.config)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 78, done.stderr
    assert "poplock.toml:" in done.stderr
    assert "pip install 'smtp-poplock[web]'" in done.stderr
