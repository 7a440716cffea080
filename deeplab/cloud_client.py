"""``gs://``: one google-cloud-storage client a process, its threads, retries and errors.

Images, outputs and models are all read and written by it.

Transient errors (408, 429, 5xx, connection reset, short body, checksum mismatch) are retried with
exponential back-off by the client library's own ``DEFAULT_RETRY``; 404 and 403 are not. All
attempts of an operation share one deadline, by its size (:mod:`deeplab.deadlines`).

Environment:
    BEAM_DEEPLAB_RETRY_SECONDS: How long one operation is retried; 120 by default.
    BEAM_DEEPLAB_RETRY_FIRST_DELAY: Upper bound of the first pause in seconds; doubled each time,
        up to 32 times; 1 by default.
    STORAGE_EMULATOR_HOST: An emulator's address, spoken to without credentials.
"""

from __future__ import annotations

import errno
import http
import http.client
import os
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import google.api_core.exceptions as api
import google.auth.exceptions as auth
import requests
import urllib3.exceptions
from google.api_core.retry import Retry
from google.cloud.storage import Client
from google.cloud.storage.exceptions import InvalidResponse
from google.cloud.storage.retry import DEFAULT_RETRY

from beam_deeplab.deeplab import deadlines
from beam_deeplab.deeplab.credentials import CredentialsError

T = TypeVar("T")

THREADS: Final = 16
"""Requests of a process that are in flight at once."""

CONNECTIONS: Final = 32
"""Connections that are kept open: those of :func:`threads` and of the callers' own."""

TIMEOUT: Final = (10, 60)
"""Seconds to connect, and seconds without a byte, before an attempt counts as failed."""

_BUCKET = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._:-]*[A-Za-z0-9])?")

_SIGN_IN = (
    "no Google Cloud credentials: run `gcloud auth application-default login`, or set "
    "GOOGLE_APPLICATION_CREDENTIALS to a service account's key file"
)

_NO_CREDENTIALS_FOR: Final = 60.0
"""Seconds for which a failed search for credentials (20 s and more) is not repeated."""


class _Process:
    """What the threads of one process share. A forked child makes its own."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.lock = threading.Lock()
        self.clients: dict[str | None, Client] = {}
        self.anonymous: Client | None = None
        self.executor: ThreadPoolExecutor | None = None
        self.no_credentials_until = 0.0


_process = _Process()


def _shared() -> _Process:
    global _process  # noqa: PLW0603 - a process has one set of connections
    if _process.pid != os.getpid():
        _process = _Process()
    return _process


def client(*, public: bool = False) -> Client:
    """This process's client, made at the first call.

    A ``public`` one goes on without credentials where nobody is signed in, since some buckets may
    be read by everyone.

    Raises:
        CredentialsError: Nobody is signed in.
    """
    try:
        return _signed_in()
    except CredentialsError:
        if not public:
            raise
    shared = _shared()
    with shared.lock:
        if shared.anonymous is None:
            shared.anonymous = Client.create_anonymous_client()
        return shared.anonymous


def _signed_in() -> Client:
    shared = _shared()
    emulator = os.environ.get("STORAGE_EMULATOR_HOST")
    with shared.lock:
        if emulator not in shared.clients:
            if emulator is None and time.monotonic() < shared.no_credentials_until:
                raise CredentialsError(errno.EACCES, _SIGN_IN)
            try:
                shared.clients[emulator] = _new_client()
            except auth.DefaultCredentialsError as error:
                shared.no_credentials_until = time.monotonic() + _NO_CREDENTIALS_FOR
                raise CredentialsError(errno.EACCES, _SIGN_IN) from error
        return shared.clients[emulator]


def _new_client() -> Client:
    # Or the library asks for the bucket's metadata too, for traces that nobody collects.
    os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
    # Objects are addressed without a project, which many credentials do not name. The library
    # takes anonymous credentials by itself where an emulator's address is set.
    new = Client(project=None)
    deadlines.watch(new._http, CONNECTIONS)
    return new


def threads() -> ThreadPoolExecutor:
    """This process's threads for requests; all bundles share them."""
    shared = _shared()
    with shared.lock:
        if shared.executor is None:
            shared.executor = ThreadPoolExecutor(THREADS, thread_name_prefix="gs")
        return shared.executor


def split(uri: str) -> tuple[str, str]:
    """Bucket and object name (may be empty) of a ``gs://`` URI.

    Raises:
        OSError: No bucket is named (``EINVAL``).
    """
    bucket, _, name = uri[5:].partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise OSError(errno.EINVAL, "names no bucket", uri)
    return bucket, name


def retry_policy() -> Retry:
    """How transient errors are retried, as the environment says."""
    first = float(os.environ.get("BEAM_DEEPLAB_RETRY_FIRST_DELAY", "1"))
    seconds = float(os.environ.get("BEAM_DEEPLAB_RETRY_SECONDS", "120"))
    return DEFAULT_RETRY.with_delay(initial=first, maximum=32 * first).with_timeout(seconds)


def retried(uri: str, attempt: Callable[[], T], size: int = 0) -> T:
    """Runs one request, about a URI, until it succeeds, or fails for good.

    Its deadline is that for the bytes that it moves.

    Raises:
        OSError: Of the kinds of :mod:`transforms.storage.interface`.
    """

    def timely() -> T:
        deadlines.check()
        return attempt()

    persistent: Callable[[], T] = retry_policy()(timely)
    return translated(uri, persistent, size)


def translated(uri: str, operation: Callable[[], T], size: int = 0) -> T:
    """Runs an operation that retries by itself, or need not; otherwise as :func:`retried`."""
    try:
        with deadlines.within(deadlines.seconds_for(size)):
            return operation()
    except api.RetryError as error:
        reason = f"{_brief(error.cause or error)} (tried again until the time for it was over)"
        raise OSError(errno.EIO, reason, uri) from error
    except api.NotFound as error:
        raise FileNotFoundError(errno.ENOENT, "no such object or bucket", uri) from error
    except api.Forbidden as error:
        raise PermissionError(errno.EACCES, _brief(error), uri) from error
    except api.PreconditionFailed as error:
        raise FileExistsError(errno.EEXIST, "is there already", uri) from error
    except auth.InvalidOperation as error:
        # What a client without credentials makes of the status 401.
        message = f"Google Cloud sign-in failed: {_SIGN_IN}"
        raise CredentialsError(errno.EACCES, message, uri) from error
    except (auth.GoogleAuthError, api.Unauthorized) as error:
        message = f"Google Cloud sign-in failed: {_brief(error)}"
        raise CredentialsError(errno.EACCES, message, uri) from error
    except api.BadRequest as error:
        # Above all names that no object can have: too long, or with a line's end in them.
        raise OSError(errno.EINVAL, _brief(error), uri) from error
    except TimeoutError as error:
        raise TimeoutError(errno.ETIMEDOUT, error.strerror or _brief(error), uri) from error
    except _LIBRARY_ERRORS as error:
        raise OSError(errno.EIO, _brief(error), uri) from error


_LIBRARY_ERRORS = (
    api.GoogleAPIError,
    InvalidResponse,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
)


def _brief(error: BaseException) -> str:
    """The first line of what the service or the library says, of bounded length."""
    text = str(error).strip() or type(error).__name__
    if isinstance(error, api.GoogleAPICallError) and error.code:
        said = "" if error.response is None else _said_by_service(error.response)
        text = f"{int(error.code)} {said or http.HTTPStatus(error.code).phrase}"
    text = text.splitlines()[0]
    return text if len(text) <= 200 else f"{text[:199]}…"


def _said_by_service(response: requests.Response) -> str:
    try:
        return str(response.json()["error"]["message"]).strip()
    except (ValueError, LookupError, TypeError):
        return response.text.strip()
