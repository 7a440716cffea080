"""Downloads over HTTP that survive interruptions: retried, resumed, and never spliced.

A partial file is resumed with ``Range`` under ``If-Range`` (RFC 9110, section 13.1.5), so that a
server whose file has changed since answers with the whole new one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beam_deeplab.deeplab.zoo.archives import MAX_BYTES
from beam_deeplab.deeplab.zoo.errors import ArchiveError, ModelNotFound
from beam_deeplab.deeplab.zoo.progress import terminal_bar

if TYPE_CHECKING:
    from requests import Response, Session

_FRUITLESS_ATTEMPTS = 4
_BACKOFF_S = 0.5
_LONGEST_WAIT_S = 60
_CONNECT_AND_READ_TIMEOUT_S = (10.0, 60.0)
_TRANSIENT = (429, 500, 502, 503, 504)
_CHUNK = 1 << 18


class _InterruptedTransferError(Exception):
    """The attempt failed, another may do."""


def download(url: str, partial: Path, *, title: str) -> bool:
    """Download a file, or the rest of one; tells whether some of it came from an earlier attempt.

    Args:
        url: Its address, ``http`` or ``https``.
        partial: Where it goes. What an earlier, interrupted call left there is resumed if the
            server's file is the same still; a JSON beside it, ``<partial>.json``, remembers which
            one that was.
        title: What to call it on the terminal.

    Raises:
        ModelNotFound: If the server refuses, cannot be reached, or keeps breaking off.
        ArchiveError: If the file is larger than any archive of weights.
        OSError: If the disk does not take it.
    """
    import requests
    import tenacity

    with _session() as session:
        transfer = _Transfer(session, url, partial, title)
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_InterruptedTransferError),
            stop=lambda _: transfer.fruitless >= _FRUITLESS_ATTEMPTS,
            wait=tenacity.wait_chain(
                tenacity.wait_none(),
                tenacity.wait_random_exponential(multiplier=_BACKOFF_S, max=_LONGEST_WAIT_S),
            ),
            reraise=True,
        )
        try:
            attempts(transfer.attempt)
        except _InterruptedTransferError as error:
            raise ModelNotFound(f"cannot download {url}: {error}") from error
        except requests.RequestException as error:
            raise ModelNotFound(f"cannot download {url}: {error}") from error
    return transfer.resumed


def forget_partial(partial: Path) -> None:
    """Remove a partial file and what was remembered of it."""
    partial.unlink(missing_ok=True)
    _memory(partial).unlink(missing_ok=True)


def _memory(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.json")


@contextmanager
def _session() -> Iterator[Session]:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    # Statuses are retried here, with the server's Retry-After; connections and bodies by attempt.
    retry = Retry(
        total=None,
        connect=0,
        read=0,
        other=0,
        status=_FRUITLESS_ATTEMPTS,
        status_forcelist=_TRANSIENT,
        backoff_factor=_BACKOFF_S,
        retry_after_max=_LONGEST_WAIT_S,
        raise_on_status=False,
    )
    with requests.Session() as session:
        session.headers["Accept-Encoding"] = "identity"
        session.mount("http://", HTTPAdapter(max_retries=retry))
        session.mount("https://", HTTPAdapter(max_retries=retry))
        yield session


@dataclass(slots=True)
class _Transfer:
    session: Session
    url: str
    partial: Path
    title: str
    fruitless: int = field(default=0, init=False)
    resumed: bool = field(default=False, init=False)

    def attempt(self) -> None:
        import requests
        import urllib3

        self.fruitless += 1
        headers = {}
        validator = self._remembered()
        have = self.partial.stat().st_size if validator else 0
        if validator and have:
            headers = {"Range": f"bytes={have}-", "If-Range": validator}
        try:
            with self.session.get(
                self.url, headers=headers, stream=True, timeout=_CONNECT_AND_READ_TIMEOUT_S
            ) as response:
                self._receive(response, have, validator)
        except (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError) as error:
            raise _InterruptedTransferError(_innermost_reason(error)) from error

    def _receive(self, response: Response, have: int, validator: str | None) -> None:
        if have and response.status_code == HTTPStatus.PARTIAL_CONTENT:
            start, total = _content_range(response)
            if start != have or _validator(response) not in {None, validator}:
                forget_partial(self.partial)
                raise _InterruptedTransferError("the server's answers do not fit together")
            self.resumed = True
        elif have and response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            if _content_range(response)[1] == have:
                self.resumed = True
                return
            forget_partial(self.partial)
            raise _InterruptedTransferError("what was there already does not fit the server's file")
        elif response.status_code == HTTPStatus.OK:
            have, self.resumed = 0, False
            length = response.headers.get("Content-Length", "")
            total = int(length) if length.isdecimal() else None
            forget_partial(self.partial)
            if (validator := _validator(response)) is not None:
                memory = {"url": self.url, "validator": validator}
                _memory(self.partial).write_text(json.dumps(memory), "utf-8")
        else:
            raise ModelNotFound(
                f"cannot download {self.url}: the server answered "
                f"{response.status_code} {response.reason}"
            )
        self._write_body(response.raw, have, total)

    def _write_body(self, body: Any, have: int, total: int | None) -> None:
        with self.partial.open("ab") as file, terminal_bar(self.title, total) as received:
            received(have)
            # The stored bytes: a Content-Encoding, if any, is part of the archive's digest.
            while chunk := body.read(_CHUNK, decode_content=False):
                have += len(chunk)
                if have > MAX_BYTES:
                    file.truncate(0)
                    raise ArchiveError(f"{self.url} is larger than the {MAX_BYTES} bytes allowed")
                file.write(chunk)
                self.fruitless = 0
                received(have)
        if total is not None and have != total:
            raise _InterruptedTransferError(f"{have} of {total} bytes came")

    def _remembered(self) -> str | None:
        """The validator of the partial file, if there is one of this address."""
        try:
            memory = json.loads(_memory(self.partial).read_text("utf-8"))
            known = memory["url"] == self.url and self.partial.is_file()
            return str(memory["validator"]) if known else None
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _validator(response: Response) -> str | None:
    """What ``If-Range`` may name: a strong ETag, else the time of last modification."""
    etag = response.headers.get("ETag", "")
    if etag.startswith('"'):
        return etag
    return response.headers.get("Last-Modified")


def _content_range(response: Response) -> tuple[int | None, int | None]:
    """First byte and total size of a ``Content-Range``, None where it does not say."""
    parts = re.fullmatch(
        r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", response.headers.get("Content-Range", "")
    )
    if parts is None:
        return None, None
    start, total = parts.groups()
    return (int(start) if start else None), (int(total) if total != "*" else None)


def _innermost_reason(error: BaseException) -> str:
    """What lies under the layers of a connection error, in the system's words."""
    reason = error
    while reason.__context__ is not None:
        reason = reason.__context__
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return str(reason) or type(reason).__name__
