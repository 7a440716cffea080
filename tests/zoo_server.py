"""An HTTP server of archives, as difficult as a test needs it; and small archives."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Request:
    """What a client asked for."""

    path: str
    range: str | None
    if_range: str | None


@dataclass
class ArchiveServer:
    """Content by path, and how to answer the next requests.

    ``cut_after`` and ``statuses`` are used up one a request: cut the body after so many bytes
    (None leaves it whole), or answer so instead of serving (None serves).
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    cut_after: list[int | None] = field(default_factory=list)
    statuses: list[int | None] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    ranges: bool = True
    honours_if_range: bool = True
    etags: bool = True
    claims_length: bool = True
    released: threading.Event = field(default_factory=threading.Event)


def etag_of(content: bytes) -> str:
    return f'"{hashlib.md5(content).hexdigest()}"'


@contextmanager
def serving(files: Mapping[str, bytes] | None = None) -> Iterator[ArchiveServer]:
    """Serve on a free port of this machine until the context ends."""
    server = ArchiveServer(files=dict(files or {}))
    server.released.set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            _answer(self, server)

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.url = f"http://127.0.0.1:{http.server_port}/models"
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.released.set()
            http.shutdown()
            thread.join()


def _answer(handler: BaseHTTPRequestHandler, server: ArchiveServer) -> None:
    asked, condition = handler.headers["Range"], handler.headers["If-Range"]
    server.requests.append(Request(handler.path, asked, condition))
    server.released.wait()
    handler.close_connection = True
    status = server.statuses.pop(0) if server.statuses else None
    content = server.files.get(handler.path.removeprefix("/models/"))
    if status or content is None:
        handler.send_response(status or 404)
        handler.send_header("Content-Length", "0")
        handler.send_header("Connection", "close")  # or the client may race to use it again
        handler.end_headers()
        return
    start = 0
    fits = condition in {None, etag_of(content)} or not server.honours_if_range
    if asked and server.ranges and fits:
        found = re.fullmatch(r"bytes=(\d+)-", asked)
        assert found is not None
        start = int(found[1])
        handler.send_response(206 if start < len(content) else 416)
        place = f"{start}-{len(content) - 1}" if start < len(content) else "*"
        handler.send_header("Content-Range", f"bytes {place}/{len(content)}")
    else:
        handler.send_response(200)
    if server.etags:
        handler.send_header("ETag", etag_of(content))
    if server.claims_length:
        handler.send_header("Content-Length", str(len(content) - start))
    handler.end_headers()
    cut = server.cut_after.pop(0) if server.cut_after else None
    handler.wfile.write(content[start:] if cut is None else content[start : start + cut])


def tar_of(members: Mapping[str, bytes]) -> bytes:
    """A plain tar of files."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return archive.getvalue()


def archive_of(members: Mapping[str, bytes]) -> bytes:
    """A tar.gz of files, the same bytes each time."""
    return gzip.compress(tar_of(members), compresslevel=1, mtime=0)
