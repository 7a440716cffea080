"""A glob -> the files that match it, with their versions, by one listing."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.records import ImageRef
from beam_deeplab.transforms.sources.patterns import Glob
from beam_deeplab.transforms.storage import local as local_storage


def match_files(glob: Glob) -> Iterator[ImageRef]:
    """The files that a glob matches, streamed, folder by folder in the order of names.

    Local links are followed, but not in a circle; a link that leads nowhere comes with an empty
    version. Devices, pipes and ``gs://`` objects that stand for a folder are left out.

    Args:
        glob: What to look for; its folder may be missing.

    Yields:
        Refs with versions.

    Raises:
        OSError: A folder cannot be listed.
    """
    kind = storage.scheme(glob.folder)
    if kind == "gs":
        return _match_in_cloud(glob)
    return _match_by_beam(glob) if kind else _match_locally(glob)


def _match_locally(glob: Glob) -> Iterator[ImageRef]:
    root = glob.folder or "/"

    def walk(relative: str, above: frozenset[tuple[int, int]]) -> Iterator[ImageRef]:
        for entry in _entries(os.path.join(root, relative)):  # noqa: PTH118 - a Path costs 2 us
            path = f"{relative}/{entry.name}" if relative else entry.name
            try:
                status = entry.stat()
            except OSError:
                if glob.matches(path):
                    yield ImageRef(local_storage.local_uri(entry.path))
                continue
            if stat.S_ISDIR(status.st_mode):
                identity = (status.st_dev, status.st_ino)
                if identity not in above and glob.may_match_below(path):
                    yield from walk(path, above | {identity})
            elif stat.S_ISREG(status.st_mode) and glob.matches(path):
                yield ImageRef(
                    local_storage.local_uri(entry.path), local_storage.version_of(status)
                )

    try:
        status = Path(root).stat()
    except (FileNotFoundError, NotADirectoryError):
        return
    yield from walk("", frozenset({(status.st_dev, status.st_ino)}))


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        message = f"cannot be listed ({error.strerror}): mend that, or name the folders beside it"
        raise OSError(error.errno, message, folder) from error


def _match_in_cloud(glob: Glob) -> Iterator[ImageRef]:
    from beam_deeplab.deeplab import cloud_client
    from beam_deeplab.transforms.storage import cloud as cloud_storage

    bucket, name = cloud_client.split(glob.folder)
    folder = f"{name}/" if name else ""
    for found in cloud_storage.objects(bucket, folder + glob.prefix, recursive=not glob.is_flat):
        # A name that ends in a slash is how consoles show an empty folder.
        if not found.name.endswith("/") and glob.matches(found.name.removeprefix(folder)):
            yield ImageRef(f"gs://{bucket}/{found.name}", found.generation)


def _match_by_beam(glob: Glob) -> Iterator[ImageRef]:
    from beam_deeplab.transforms.storage import beam as beam_storage

    # Beam's ``**/`` does not match "no folder", so it lists more than is asked for.
    everything = f"{glob.folder}/{glob.prefix}{'*' if glob.is_flat else '**'}"
    for found in beam_storage.find(everything):
        if glob.matches(found.path.removeprefix(f"{glob.folder}/")):
            yield ImageRef(found.path, beam_storage.version_of(found))
