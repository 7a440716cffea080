"""A ``gs://`` for tests: the emulator as a process of its own, behind a proxy that can fail.

The proxy gives what the emulator lacks (generations on reads, ``ifGenerationMatch`` on writes,
pages and offsets of listings), records every request, and breaks answers on demand. A module
says ``pytest_plugins = ("tests.gcs_emulator",)`` and takes the fixture ``gcs``; one whose
pipelines use Beam's own ``gs://`` access takes ``gcs_service_account``.

PYTEST_DONT_REWRITE: test modules import names from here before pytest does.
"""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import os
import socket
import socketserver
import struct
import subprocess
import sys
import threading
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest


class Fault(Enum):
    """How an answer is broken, other than by a status code."""

    RESET = "the connection is reset before any answer"
    SHORT_BODY = "the connection ends in the middle of the body"
    CORRUPT_BODY = "one byte of the body is another"
    LOST_ANSWER = "the request is carried out, its answer is lost"


@dataclass(frozen=True)
class Request:
    """One request that the proxy got.

    Attributes:
        method: HTTP method.
        kind: download, metadata, list, upload, delete or other.
        name: The object's name; a listing's prefix.
        query: The query's parameters.
    """

    method: str
    kind: str
    name: str
    query: dict[str, str]


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class GcsServer:
    """The emulator and its proxy.

    Attributes:
        endpoint: The proxy's address, for ``STORAGE_EMULATOR_HOST``.
        emulator_port: The emulator's own port.
        requests: What came since :meth:`reset`, in order.
        latency: Seconds that every answer is held back.
        page_size: The most objects in one page of a listing.
        gates: An object's requests wait until its event is set.
    """

    emulator_port: int
    endpoint: str = ""
    requests: list[Request] = field(default_factory=list)
    latency: float = 0.0
    page_size: int = 1000
    gates: dict[str, threading.Event] = field(default_factory=dict)
    _faults: dict[str, deque[Fault | int | None]] = field(
        default_factory=lambda: defaultdict(deque)
    )
    _emulator: threading.RLock = field(default_factory=threading.RLock)
    _arrival: threading.Condition = field(default_factory=threading.Condition)

    def reset(self) -> None:
        """Forgets requests, faults, gates and settings."""
        for gate in self.gates.values():
            gate.set()
        self.requests, self.gates, self.latency, self.page_size = [], {}, 0.0, 1000
        self._faults.clear()

    def fail(self, name: str, *faults: Fault | int | None) -> None:
        """Breaks the next requests for an object (or listings of a prefix), one fault each.

        A number is a status code; None lets a request pass.
        """
        self._faults[name].extend(faults)

    def wait_for(self, count: int, kind: str) -> None:
        """Returns once as many requests of a kind have come."""
        with self._arrival:
            assert self._arrival.wait_for(
                lambda: sum(each.kind == kind for each in self.requests) >= count, timeout=30
            )

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        with self._emulator:
            connection = http.client.HTTPConnection("127.0.0.1", self.emulator_port, timeout=30)
            with contextlib.closing(connection):
                connection.request(method, path, body=body, headers=headers)
                response = connection.getresponse()
                return Answer(response.status, dict(response.getheaders()), response.read())

    def answer(self, handler: _Handler, body: bytes) -> tuple[Answer, Fault | None]:
        request, bucket = _parse(handler.command, handler.path, body)
        with self._arrival:
            self.requests.append(request)
            self._arrival.notify_all()
        if self.latency:
            time.sleep(self.latency)
        if gate := self.gates.get(request.name):
            gate.wait(60)
        faults = self._faults[request.name]
        fault = faults.popleft() if faults else None
        if isinstance(fault, int):
            return _error(fault, "injected"), None
        if fault is Fault.RESET:
            return _error(500, "unseen"), fault
        headers = {name: value for name, value in handler.headers.items() if name != "Connection"}
        with self._emulator:
            return self._serve(handler, request, bucket, headers, body), fault

    def _serve(
        self,
        handler: _Handler,
        request: Request,
        bucket: str,
        headers: dict[str, str],
        body: bytes,
    ) -> Answer:
        if request.kind in ("download", "metadata", "upload"):
            standing = self._generation(bucket, request.name)
            asked = request.query.get("generation")
            if request.kind != "upload" and asked and asked != standing:
                return _error(404, f"No such object: {bucket}/{request.name}")
            condition = request.query.get("ifGenerationMatch")
            if request.kind == "upload" and condition and condition != (standing or "0"):
                return _error(412, "conditionNotMet")
        answer = self.forward(handler.command, handler.path, headers, body)
        if request.kind == "download" and answer.status < 300:
            answer.headers["x-goog-generation"] = standing
        if request.kind == "list" and answer.status < 300:
            answer.body = self._page(json.loads(answer.body), request.query)
        return answer

    def _generation(self, bucket: str, name: str) -> str:
        """The generation that stands there, empty if none does."""
        path = f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}"
        answer = self.forward("GET", path, {}, b"")
        return str(json.loads(answer.body)["generation"]) if answer.status == 200 else ""

    def _page(self, listing: dict[str, Any], query: dict[str, str]) -> bytes:
        first, last = query.get("startOffset", ""), query.get("endOffset")
        after = query.get("pageToken", "")
        items = [
            item
            for item in listing["items"]
            if item["name"] >= first
            and item["name"] > after
            and (last is None or item["name"] < last)
        ]
        size = min(self.page_size, int(query.get("maxResults", "1000")))
        listing["items"] = items[:size]
        if len(items) > size:
            listing["nextPageToken"] = items[size - 1]["name"]
        return json.dumps(listing).encode()


def _parse(method: str, path: str, body: bytes) -> tuple[Request, str]:
    parts = urlsplit(path)
    query = {key: values[0] for key, values in parse_qs(parts.query).items()}
    segments = parts.path.split("/")
    bucket = segments[segments.index("b") + 1] if "b" in segments[:-1] else ""
    name, kind = "", "other"
    if "o" in segments:
        name = unquote("/".join(segments[segments.index("o") + 1 :]))
        if method == "GET":
            is_media = segments[1] == "download" or query.get("alt") == "media"
            kind = "list" if not name else "download" if is_media else "metadata"
            name = name or query.get("prefix", "")
        elif method == "DELETE":
            kind = "delete"
        elif method == "POST" and segments[1] == "upload":
            kind, name = "upload", query.get("name", "") or _name_in(body)
    return Request(method, kind, name, query), bucket


def _name_in(upload: bytes) -> str:
    start = upload.find(b"{")
    metadata, _ = json.JSONDecoder().raw_decode(upload[start:].split(b"\r\n", 1)[0].decode())
    return str(metadata["name"])


def _error(status: int, message: str) -> Answer:
    body = json.dumps({"error": {"code": status, "message": message}}).encode()
    return Answer(status, {"Content-Type": "application/json"}, body)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    gcs: GcsServer

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._relay
        raise AttributeError(name)

    def _relay(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/token":
            token = {"access_token": "stub", "expires_in": 3600, "token_type": "Bearer"}
            answer, fault = Answer(200, {}, json.dumps(token).encode()), None
        else:
            answer, fault = self.gcs.answer(self, body)
        if fault in (Fault.RESET, Fault.LOST_ANSWER):
            self._reset()
            return
        content = answer.body
        if fault is Fault.CORRUPT_BODY:
            content = bytes([content[0] ^ 1]) + content[1:]
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in ("content-length", "connection", "server", "date"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if fault is Fault.SHORT_BODY:
            content = content[: len(content) // 2]
            self.close_connection = True
        self.wfile.write(content)

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


class _Proxy(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _wait_until_it_answers(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


@contextlib.contextmanager
def run_gcs_server() -> Iterator[GcsServer]:
    """The emulator and its proxy, for as long as the block runs."""
    port = _free_port()
    command = [sys.executable, "-m", "gcp_storage_emulator", "start", "--host", "127.0.0.1"]
    process = subprocess.Popen([*command, "--port", str(port), "--in-memory", "-q"])
    try:
        _wait_until_it_answers(port, process)
        server = GcsServer(port)
        handler = type("Handler", (_Handler,), {"gcs": server})
        with _Proxy(("127.0.0.1", 0), handler) as proxy:
            server.endpoint = f"http://127.0.0.1:{proxy.server_address[1]}"
            thread = threading.Thread(target=proxy.serve_forever, daemon=True)
            thread.start()
            yield server
            proxy.shutdown()
    finally:
        process.terminate()
        process.wait(10)


class Gcs:
    """One bucket of its own, and the server's proxy."""

    def __init__(self, server: GcsServer) -> None:
        self.server = server
        self.bucket = f"test-{uuid.uuid4().hex[:12]}"
        created = json.dumps({"name": self.bucket}).encode()
        answer = server.forward(
            "POST", "/storage/v1/b", {"Content-Type": "application/json"}, created
        )
        assert answer.status == 200

    def uri(self, name: str = "") -> str:
        return f"gs://{self.bucket}/{name}" if name else f"gs://{self.bucket}"

    def put(self, name: str, data: bytes) -> str:
        """Writes an object behind the proxy's back; gives its generation."""
        path = f"/upload/storage/v1/b/{self.bucket}/o?uploadType=multipart"
        metadata = json.dumps({"name": name}).encode()
        parts = [b"application/json\r\n\r\n" + metadata, b"image/jpeg\r\n\r\n" + data]
        boundary = uuid.uuid4().hex.encode()
        body = b"".join(b"--" + boundary + b"\r\nContent-Type: " + part + b"\r\n" for part in parts)
        headers = {"Content-Type": f'multipart/related; boundary="{boundary.decode()}"'}
        answer = self.server.forward("POST", path, headers, body + b"--" + boundary + b"--")
        assert answer.status == 200
        return str(json.loads(answer.body)["generation"])

    def get(self, name: str) -> bytes | None:
        """Reads an object behind the proxy's back; None if there is none."""
        path = f"/download/storage/v1/b/{self.bucket}/o/{quote(name, safe='')}?alt=media"
        answer = self.server.forward("GET", path, {}, b"")
        return answer.body if answer.status == 200 else None

    def count(self, kind: str | None = None, name: str | None = None) -> int:
        """Requests so far, of a kind, for an object."""
        return sum(
            (kind is None or each.kind == kind) and (name is None or each.name == name)
            for each in self.server.requests
        )

    def dataflow_job(self, *flags: str) -> list[str]:
        """A job for Dataflow over ``photos/`` of the bucket, into ``masks/``."""
        return [
            "segment",
            f"--input={self.uri('photos/**')}",
            f"--output={self.uri('masks')}",
            "--model=emoji_scenes",
            "--runner=DataflowRunner",
            "--project=my-project",
            "--region=europe-west4",
            f"--temp_location={self.uri('tmp')}",
            *flags,
        ]


@pytest.fixture(scope="session")
def gcs_server() -> Iterator[GcsServer]:
    with run_gcs_server() as server:
        yield server


@pytest.fixture
def gcs(gcs_server: GcsServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gcs]:
    """A fresh bucket, the only one, that this process and the processes it starts reach as ``gs://``."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_server.endpoint)
    monkeypatch.setenv("BEAM_DEEPLAB_RETRY_FIRST_DELAY", "0.001")
    monkeypatch.setenv("BEAM_DEEPLAB_RETRY_SECONDS", "30")
    gcs_server.reset()
    # The emulator rewrites its whole index at every put: what earlier tests left slows it down.
    gcs_server.forward("GET", "/wipe", {}, b"")
    yield Gcs(gcs_server)
    gcs_server.reset()


@pytest.fixture(scope="session")
def service_account_file(gcs_server: GcsServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    account = {
        "type": "service_account",
        "project_id": "test-project",
        "private_key_id": "1",
        "private_key": key.decode(),
        "client_email": "tests@test-project.iam.gserviceaccount.com",
        "token_uri": f"{gcs_server.endpoint}/token",
    }
    file = tmp_path_factory.mktemp("credentials") / "service-account.json"
    file.write_text(json.dumps(account))
    return file


@pytest.fixture
def gcs_service_account(
    gcs: Gcs, service_account_file: Path, monkeypatch: pytest.MonkeyPatch
) -> Gcs:
    """The bucket, and credentials for clients (Beam's own) that insist on some."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(service_account_file))
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "test-project")
    return gcs
