"""From a reference, as a user writes it, to weights on this machine's disk."""

from __future__ import annotations

import os
from pathlib import Path

from beam_deeplab.deeplab.zoo.archives import holds_archive, unpack_archive
from beam_deeplab.deeplab.zoo.bundled import BUNDLED_MODELS
from beam_deeplab.deeplab.zoo.cache import CACHE_VARIABLE, CacheEntry, cache_folder, file_digest
from beam_deeplab.deeplab.zoo.download import download, forget_partial
from beam_deeplab.deeplab.zoo.errors import ArchiveError, DigestError, ModelNotFound, ZooError
from beam_deeplab.deeplab.zoo.models import (
    OFFICIAL_BASE_URL,
    OFFICIAL_MODELS,
    ZooModel,
    closest_names,
    find_model,
)

ZOO_URL_VARIABLE = "BEAM_DEEPLAB_ZOO_URL"
"""Environment variable with the folder that the official archives are downloaded from instead: a
mirror that holds them under their official file names, ``http`` or ``https``."""


def locate(reference: str) -> Path:
    """Find a model's weights; download and unpack them into the cache if need be.

    Downloads show a bar, if standard error is a terminal. What is found, a file, a folder or a
    checkpoint's prefix, lies in the cache or is the user's own: only to be read.

    Args:
        reference: The name of a bundled or official model; a local folder, checkpoint prefix,
            ``.pb`` or other file of weights; an archive (``.tar.gz``, ``.tgz``, ``.tar``); or such
            a thing as ``gs://bucket/...``. A name goes before a local file of the same name: write
            ``./name`` for the file.

    Raises:
        ModelNotFound: If the reference leads to nothing that can be had; says what was tried.
        DigestError: If content differs from what was recorded at first use, or is pinned.
        ArchiveError: If an archive is damaged or holds what it must not.
        ZooError: If the cache cannot be written; base of the others.
    """
    try:
        if (bundled := BUNDLED_MODELS.get(reference)) is not None:
            return bundled.folder
        if (model := find_model(reference)) is not None:
            return _official(model)
        if reference.startswith("gs://"):
            from beam_deeplab.deeplab.zoo.gcs import fetch

            return fetch(reference, cache_folder() / "gcs")
        path = local_path(reference)
        if path is None:
            raise ModelNotFound(
                f"{reference}: a model is a zoo name, a local path or a gs:// path; "
                "download it first"
            )
        return _local(reference, path)
    except OSError as error:
        raise ZooError(
            f"cannot use the model cache {cache_folder()}: {error}; "
            f"{CACHE_VARIABLE} may name another folder"
        ) from error


def local_path(reference: str) -> Path | None:
    """The path that a reference names on this machine; None if it names another place."""
    scheme, separator, rest = reference.partition("://")
    if not separator:
        return Path(reference)
    if scheme.lower() != "file":
        return None
    from urllib.parse import unquote

    return Path(unquote(rest.removeprefix("localhost")))


def is_cached(model: ZooModel) -> bool:
    """Whether an official model is on this machine, so that :func:`locate` needs no network."""
    return _entry(model).is_complete()


def download_url(model: ZooModel) -> str:
    """A model's archive on the official host, or the mirror that ``BEAM_DEEPLAB_ZOO_URL`` names."""
    base = os.environ.get(ZOO_URL_VARIABLE) or OFFICIAL_BASE_URL
    return f"{base.rstrip('/')}/{model.archive}"


def _entry(model: ZooModel) -> CacheEntry:
    return CacheEntry(cache_folder() / "zoo", model.name)


def _official(model: ZooModel) -> Path:
    entry = _entry(model)
    return entry.filled(lambda: _download_and_unpack(model, entry))


def _download_and_unpack(model: ZooModel, entry: CacheEntry) -> None:
    url, partial = download_url(model), entry.partial_path
    first_use = entry.archive_digest()
    expected = model.sha256 or first_use
    resumed = download(url, partial, title=model.name)
    digest = file_digest(partial)
    if resumed and expected not in {None, digest}:
        # What lay there from before may be at fault: get all of it once more.
        forget_partial(partial)
        download(url, partial, title=model.name)
        digest = file_digest(partial)
    if expected not in {None, digest}:
        forget_partial(partial)
        raise DigestError(
            f"{url} has SHA-256 {digest}, not {expected}, which is pinned for {model.name}"
            if model.sha256
            else f"{url} has SHA-256 {digest}, not {expected} as at first use; "
            f"if you trust the new one, remove {entry.record_path}"
        )
    try:
        _unpack_into(entry, partial, source=url, digest=digest)
    except ArchiveError:
        forget_partial(partial)
        raise
    forget_partial(partial)


def _local(reference: str, path: Path) -> Path:
    if not reference:
        raise ModelNotFound("no model is named")
    try:
        path = path.expanduser()
        archive = path.is_file() and holds_archive(path)
        if not archive and path.exists():
            return path
        if path.name and path.with_name(f"{path.name}.index").is_file():
            return path
    except OSError as error:
        raise ModelNotFound(f"cannot look for {reference[:200]!r}: {error.strerror}") from error
    except (RuntimeError, ValueError) as error:
        raise ModelNotFound(f"cannot look for {reference[:200]!r}: {error}") from error
    if not archive:
        raise _not_found(reference)
    return _unpacked(path)


def _unpacked(archive: Path) -> Path:
    try:
        digest = file_digest(archive)
    except OSError as error:
        raise ModelNotFound(f"cannot read {archive}: {error.strerror}") from error
    entry = CacheEntry(cache_folder() / "archives", digest)
    source = str(archive.absolute())
    return entry.filled(lambda: _unpack_into(entry, archive, source=source, digest=digest))


def _unpack_into(entry: CacheEntry, archive: Path, *, source: str, digest: str) -> None:
    with entry.workspace() as workspace:
        folder = workspace / "unpacked"
        folder.mkdir()
        entry.install(unpack_archive(archive, folder), source=source, archive_digest=digest)


def _not_found(reference: str) -> ModelNotFound:
    closest = closest_names(reference)
    if closest:
        zoo = f"no official model (did you mean {' or '.join(closest)}?)"
    else:
        zoo = f"no official model (there are {len(OFFICIAL_MODELS)}: `beam-deeplab models`)"
    return ModelNotFound(
        f"{reference!r} is {zoo}, no local file or folder, and there is no {reference}.index "
        "of a checkpoint"
    )
