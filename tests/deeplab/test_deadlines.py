"""Deadlines: whatever a server withholds, the thread that waits for it comes back."""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from beam_deeplab.deeplab import deadlines

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n"
ANSWERS = {
    "/nothing": b"",
    "/half-a-status": b"HTTP/1",
    "/half-a-head": HEAD,
    "/half-a-body": HEAD + b"\r\nhal",
    "/all": HEAD + b"\r\nwhole!",
}


class Server:
    """Answers each path as far as the table goes, and then holds the connection."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        port = self._listener.getsockname()[1]
        self.url = f"{'https' if context else 'http'}://localhost:{port}"
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError), self._listener:
            while True:
                connection, _ = self._listener.accept()
                if self._context:
                    connection = self._context.wrap_socket(connection, server_side=True)
                self.connections.append(connection)
                self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
                self._threads[-1].start()

    @staticmethod
    def _serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            while request := connection.recv(65536):
                connection.sendall(ANSWERS[request.split()[1].decode()])

    def close(self) -> None:
        # Shut and not closed under a thread that reads: the number would be another socket's.
        for each in (self._listener, *self.connections):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(each, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of localhost, signed by itself, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("certificate") / "localhost.pem"
    kind = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file.write_bytes(
        signed.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, *kind)
    )
    return file


@pytest.fixture(params=["http", "https"])
def server(request: pytest.FixtureRequest, certificate: Path) -> Iterator[Server]:
    context = None
    if request.param == "https":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    with contextlib.closing(Server(context)) as running:
        yield running


@pytest.fixture
def session(certificate: Path) -> Iterator[requests.Session]:
    with requests.Session() as watched:
        watched.verify = str(certificate)
        watched.trust_env = False
        deadlines.watch(watched, 2)
        yield watched


@pytest.mark.parametrize("path", [path for path in ANSWERS if path != "/all"])
def test_what_a_server_withholds_is_not_waited_for(
    server: Server, session: requests.Session, path: str
) -> None:
    # No timeout of the socket's own: one byte now and then would pass any.
    with pytest.raises(TimeoutError, match=r"took longer than 0\.3 s"), deadlines.within(0.3):
        _ = session.get(server.url + path, timeout=None).content
    with deadlines.within(30):
        assert session.get(f"{server.url}/all", timeout=None).content == b"whole!"


def test_a_connection_outlives_the_operation(server: Server, session: requests.Session) -> None:
    """What was done in time leaves nothing behind that could cut the next one off."""
    for _ in range(3):
        with deadlines.within(30):
            assert session.get(f"{server.url}/all", timeout=None).content == b"whole!"
    assert len(server.connections) == 1


def _for_ever(attempt: Callable[[], object]) -> None:
    while True:
        deadlines.check()
        attempt()


def test_attempts_share_one_deadline(server: Server, session: requests.Session) -> None:
    def attempt() -> None:
        with contextlib.suppress(requests.RequestException):
            session.get(f"{server.url}/nothing", timeout=None)

    with pytest.raises(TimeoutError), deadlines.within(0.3):
        _for_ever(attempt)


def test_an_operation_within_another_leaves_the_outer_deadline() -> None:
    def attempt() -> None:
        with deadlines.within(30):
            deadlines.check()

    with pytest.raises(TimeoutError, match=r"0\.05"), deadlines.within(0.05):
        _for_ever(attempt)


def test_an_error_in_time_is_itself() -> None:
    with pytest.raises(ValueError, match="mine"), deadlines.within(30):
        raise ValueError("mine")


def test_the_time_grows_with_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    assert deadlines.seconds_for(0) == 190
    assert deadlines.seconds_for(5_000_000) == 290
    monkeypatch.setenv("BEAM_DEEPLAB_DEADLINE_SECONDS", "1")
    monkeypatch.setenv("BEAM_DEEPLAB_SLOWEST_RATE", "10")
    assert deadlines.seconds_for(5) == 1.5
