"""Models in Google Cloud Storage: a file, an archive, a checkpoint's prefix or a folder."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, Any

from beam_deeplab.deeplab.checkpoints.files import STATE_NAME, choose_checkpoint
from beam_deeplab.deeplab.zoo.archives import is_archive, unpack_archive
from beam_deeplab.deeplab.zoo.cache import CacheEntry, file_digest
from beam_deeplab.deeplab.zoo.errors import ModelNotFound
from beam_deeplab.deeplab.zoo.progress import terminal_bar

GCS_SCHEME = "gs://"

_WEIGHT_FILES = (
    "*.index",
    "*.data-?????-of-?????",
    "*.pb",
    "*.h5",
    "*.keras",
    "*.safetensors",
    "*.json",
)
_LONGEST_STATE = 1 << 20
_NAMES_SHOWN = 12
_DESCRIBED = (".safetensors", ".json")
"""Weights and the description that belongs to them lie beside each other under any names."""


def fetch(uri: str, shelf: Path) -> Path:
    """Bring a model from Google Cloud Storage into the cache; gives the file, folder or prefix.

    What is cached is found again by the objects' names and generations, so that an object that was
    overwritten is fetched anew and the old one is never mistaken for it. With a file come those
    that it is nothing without: an index's shards, the description beside weights. Of a folder, what
    lies directly in it and is named like weights.

    Args:
        uri: ``gs://bucket/name`` of an object, an archive, a folder, or a checkpoint without
            ``.index``.
        shelf: Folder of the cache for such models.

    Raises:
        ModelNotFound: If nothing is there, or it may not be read.
        ArchiveError: If it is an archive that cannot be unpacked safely.
        DigestError: If the cached copy was changed.
        OSError: If the disk does not take it.
    """
    with _one_line_errors(uri):
        blobs, name = _find(uri)
        identity = "\n".join([uri, *sorted(f"{blob.name}#{blob.generation}" for blob in blobs)])
        entry = CacheEntry(shelf, hashlib.sha256(identity.encode()).hexdigest()[:32])
        return entry.filled(lambda: _fill(entry, uri, blobs)) / name


def fetch_object(uri: str, size: int, path: Path) -> None:
    """Copies one object, whose size in bytes gives the deadline, to a file.

    Raises:
        ModelNotFound: It is not there, or may not be read.
        OSError: The disk does not take it.
    """
    from beam_deeplab.deeplab.cloud_client import client, split

    with _one_line_errors(uri), path.open("wb") as file:
        bucket, name = split(uri)
        blob = client(public=True).bucket(bucket).blob(name)
        _download(blob, size, _Counted(file, lambda _: None, 0), uri)


def _find(uri: str) -> tuple[list[Any], str]:
    """The objects to fetch, and the model's name among them (empty for their folder)."""
    bucket, _, path = uri.removeprefix(GCS_SCHEME).partition("/")
    path = path.rstrip("/")
    folder, _, name = path.rpartition("/")
    if not bucket or name in {".", ".."}:
        raise ModelNotFound(f"{uri} names no object; write gs://bucket/folder")
    if not path:
        return _weights_of_folder(bucket, "", uri), ""
    beside, folders = _list(bucket, path, uri)
    exact = [blob for blob in beside if blob.name == path]
    if exact and path.endswith(_DESCRIBED):
        inside, _ = _list(bucket, f"{folder}/" if folder else "", uri)
        return [blob for blob in inside if blob.name.endswith(_DESCRIBED)], name
    if exact and path.endswith(".index"):
        shards, _ = _list(bucket, path.removesuffix("index"), uri)
        return [blob for blob in shards if _is_weight_file(blob.name)], name
    if exact:
        return exact, "" if is_archive(path) else name
    if any(blob.name == f"{path}.index" for blob in beside):
        checkpoint = [blob for blob in beside if blob.name.startswith(f"{path}.")]
        return [blob for blob in checkpoint if _is_weight_file(blob.name)], name
    if f"{path}/" in folders:
        return _weights_of_folder(bucket, f"{path}/", uri), ""
    raise ModelNotFound(f"{uri} was not found: no object, folder or checkpoint is called so")


def _list(bucket: str, prefix: str, uri: str) -> tuple[list[Any], set[str]]:
    """Objects whose names begin so, without those in folders below, and these folders."""
    from beam_deeplab.deeplab.cloud_client import TIMEOUT, client, retry_policy, translated

    def attempt() -> tuple[list[Any], set[str]]:
        listing = client(public=True).list_blobs(
            bucket, prefix=prefix, delimiter="/", retry=retry_policy(), timeout=TIMEOUT
        )
        return list(listing), listing.prefixes

    return translated(uri, attempt)


def _weights_of_folder(bucket: str, prefix: str, uri: str) -> list[Any]:
    """What lies directly in a folder and is named like weights; of several checkpoints, one."""
    inside, _ = _list(bucket, prefix, uri)
    weights = [blob for blob in inside if _is_weight_file(blob.name)]
    if not weights:
        raise ModelNotFound(f"{uri} is a folder without weights; {', '.join(_WEIGHT_FILES)} count")
    names = [blob.name for blob in weights if blob.name.endswith(".index")]
    if len(names) < 2:
        return weights
    state = next((blob for blob in inside if blob.name == f"{prefix}{STATE_NAME}"), None)
    said = _text(state, uri) if state is not None and state.size < _LONGEST_STATE else ""
    chosen = choose_checkpoint(
        [name.removeprefix(prefix).removesuffix(".index") for name in names], said
    )
    if chosen is None:
        listed = ", ".join(name.removeprefix(prefix) for name in names[:_NAMES_SHOWN])
        raise ModelNotFound(f"{uri} holds several checkpoints: {listed}; name one of them")
    return [
        *(blob for blob in weights if blob.name.startswith(f"{prefix}{chosen[0]}.")),
        *(blob for blob in inside if blob is state),
    ]


def _text(blob: Any, uri: str) -> str:
    from beam_deeplab.deeplab.cloud_client import TIMEOUT, retry_policy, translated

    content: bytes = translated(
        uri, lambda: blob.download_as_bytes(retry=retry_policy(), timeout=TIMEOUT)
    )
    return content.decode("utf-8", "replace")


def _is_weight_file(name: str) -> bool:
    base = name.rpartition("/")[2]
    return not base.startswith(".") and any(fnmatchcase(base, kind) for kind in _WEIGHT_FILES)


def _fill(entry: CacheEntry, uri: str, blobs: Sequence[Any]) -> None:
    with entry.workspace() as workspace:
        content = workspace / "content"
        content.mkdir()
        with terminal_bar(uri, sum(blob.size or 0 for blob in blobs)) as received:
            before = 0
            for listed in blobs:
                # The generation listed, so that a later one is not mixed in.
                blob = listed.bucket.blob(listed.name, generation=listed.generation)
                with (content / blob.name.rpartition("/")[2]).open("wb") as file:
                    _download(blob, listed.size or 0, _Counted(file, received, before), uri)
                    before += file.tell()
        digest = None
        (archive, *_) = content.iterdir()
        if is_archive(archive.name):
            digest = file_digest(archive)
            unpacked = workspace / "unpacked"
            unpacked.mkdir()
            content = unpack_archive(archive, unpacked)
        entry.install(content, source=uri, archive_digest=digest)


def _download(blob: Any, size: int, file: _Counted, uri: str) -> None:
    from beam_deeplab.deeplab.cloud_client import TIMEOUT, retry_policy, translated

    try:
        download = functools.partial(blob.download_to_file, file, timeout=TIMEOUT)
        translated(uri, lambda: download(retry=retry_policy()), size)
    except OSError:
        if file.error is not None:
            raise file.error from None
        raise


class _Counted:
    """A file to write to that tells how many bytes it has."""

    def __init__(self, file: IO[bytes], received: Callable[[int], None], before: int) -> None:
        self._file = file
        self._received = received
        self._count = before
        self.error: OSError | None = None

    def write(self, content: bytes) -> int:
        self._count += len(content)
        self._received(self._count)
        try:
            return self._file.write(content)
        except OSError as error:
            self.error = error
            raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@contextmanager
def _one_line_errors(uri: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if not str(error.filename).startswith(GCS_SCHEME):
            raise  # the disk's
        raise ModelNotFound(f"cannot read {uri}: {error.strerror}") from error
