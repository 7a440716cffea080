"""A glob -> the files that match it, with their versions, by one listing."""

from __future__ import annotations

import errno
import functools
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.records import ImageRef
from beam_deeplab.transforms.sources.patterns import Glob
from beam_deeplab.transforms.storage import local as local_storage
from beam_deeplab.transforms.storage.name_ranges import ALL, NameRange, find_ranges

_NOT_THE_FOLDERS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""What a process lacks is no fault of the folder that it was about to list."""


@dataclass(frozen=True, slots=True)
class Found:
    """One file that a listing came across.

    Attributes:
        ref: The file; or, its URI ending in a slash, a folder below that cannot be listed.
        path: Its path below the glob's folder.
        in_output: Whether it lies in the output of the run that asks, and the glob's folder not.
    """

    ref: ImageRef
    path: str
    in_output: bool = False


def match_files(glob: Glob) -> Iterator[ImageRef]:
    """The files that a glob matches, streamed, folder by folder in the order of names.

    Local links are followed, but not in a circle; a link that leads nowhere comes with an empty
    version. Devices, pipes and ``gs://`` objects that stand for a folder are left out. A folder
    below that cannot be listed comes as a ref whose URI ends in a slash. The glob's own may be
    missing.

    Raises:
        OSError: The glob's folder cannot be listed.
    """
    return (found.ref for found in find_files(glob) if not is_hidden(glob, found))


def is_hidden(glob: Glob, found: Found) -> bool:
    """Whether a glob that leaves names open matches a file but for the dot that hides it."""
    return not found.ref.uri.endswith("/") and not glob.matches(found.path)


def find_files(glob: Glob, output: str = "", names: NameRange = ALL) -> Iterator[Found]:
    """As :func:`match_files`; with an open glob also what is hidden from it.

    Of a hidden local folder only the folder itself is told. What the run that asks may have
    written itself is passed over.

    Args:
        glob: What to look for.
        output: The folder of the run that asks; empty for none.
        names: Which of the names to list; one of :func:`split_names`.

    Yields:
        Files.

    Raises:
        OSError: The glob's folder cannot be listed.
    """
    kind = storage.scheme(glob.folder)
    if not kind:
        return _find_locally(glob, output)
    prefix = f"{output.rstrip('/')}/"
    begins_there = f"{glob.folder}/".startswith(prefix)
    return (
        Found(ref, path, ref.uri.startswith(prefix) and not begins_there)
        for ref, path in (_find_in_cloud(glob, names) if kind == "gs" else _find_by_beam(glob))
        if glob.matches(path, hidden=glob.is_open)
        and not (output and ref.uri.startswith(prefix) and _is_of_a_run(ref.uri))
    )


def split_names(glob: Glob) -> list[NameRange]:
    """Parts the names that a glob lists, so that many can list them at once.

    Only those of ``gs://`` that take more than a page are parted: elsewhere nothing is known of
    names before they are listed.

    Args:
        glob: What is looked for; its folder may be missing.

    Returns:
        Ranges; each name that stands there now or later is in one.

    Raises:
        OSError: The glob's folder cannot be listed.
    """
    if storage.scheme(glob.folder) != "gs":
        return [ALL]
    from beam_deeplab.deeplab import cloud_client
    from beam_deeplab.transforms.storage import cloud as cloud_storage

    bucket, folder = _bucket_and_folder(glob)
    prefix = folder + glob.prefix
    if cloud_storage.object_page(bucket, prefix, recursive=not glob.is_flat)[1]:
        return [ALL]
    return find_ranges(
        functools.partial(cloud_storage.first_name, bucket, prefix),
        prefix,
        is_flat=glob.is_flat,
        mapping=cloud_client.threads().map,
    )


def _is_of_a_run(uri: str) -> bool:
    """Whether a run may write a file of such a name into its output."""
    *_, folder, name = uri.split("/")
    return name.endswith((".parquet", ".json", ".md", ".tmp")) or folder == "attempts"


def _find_locally(glob: Glob, output: str) -> Iterator[Found]:
    root = glob.folder or "/"
    own = _identity(output)
    begins_there = _lies_in(root, own)

    def walk(relative: str, above: frozenset[tuple[int, int]], inside: bool) -> Iterator[Found]:
        # Not Path, which costs 2 us a file.
        for entry in _entries(os.path.join(root, relative) if relative else root):  # noqa: PTH118
            path = f"{relative}/{entry.name}" if relative else entry.name
            uri = local_storage.local_uri(entry.path)
            in_output = inside and not begins_there
            try:
                status = entry.stat()
            except OSError:
                if entry.is_dir(follow_symlinks=False):
                    if glob.may_match_below(path):
                        yield Found(ImageRef(f"{uri}/"), path, in_output)
                elif glob.matches(path, hidden=glob.is_open):
                    yield Found(ImageRef(uri), path, in_output)
                continue
            if stat.S_ISDIR(status.st_mode):
                identity = (status.st_dev, status.st_ino)
                if identity in above:
                    continue
                if glob.may_match_below(path):
                    try:
                        yield from walk(path, above | {identity}, inside or identity == own)
                    except _ClosedFolderError:
                        yield Found(ImageRef(f"{uri}/"), path, in_output)
                elif entry.name.startswith(".") and glob.segments[-1] == "**":
                    yield Found(ImageRef(uri), path, in_output)
            elif (
                stat.S_ISREG(status.st_mode)
                and glob.matches(path, hidden=glob.is_open)
                and not (inside and _is_of_a_run(uri))
            ):
                version = local_storage.version_of(status)
                yield Found(ImageRef(uri, version.version, size=version.size), path, in_output)

    try:
        status = Path(root).stat()
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        yield from walk("", frozenset({(status.st_dev, status.st_ino)}), begins_there)
    except _ClosedFolderError as error:
        raise OSError(error.errno, error.strerror, error.filename) from error


class _ClosedFolderError(OSError):
    """One folder cannot be listed."""


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        message = f"cannot be listed ({error.strerror}): mend that, or name the folders beside it"
        kind = OSError if error.errno in _NOT_THE_FOLDERS else _ClosedFolderError
        raise kind(error.errno, message, folder) from error


def _identity(folder: str) -> tuple[int, int] | None:
    if not folder or storage.scheme(folder):
        return None
    try:
        status = Path(local_storage.local_path(folder)).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _lies_in(folder: str, other: tuple[int, int] | None) -> bool:
    resolved = Path(folder).resolve()
    return other is not None and any(
        _identity(str(each)) == other for each in (resolved, *resolved.parents)
    )


def _find_in_cloud(glob: Glob, names: NameRange) -> Iterator[tuple[ImageRef, str]]:
    from beam_deeplab.transforms.storage import cloud as cloud_storage

    bucket, folder = _bucket_and_folder(glob)
    for found in cloud_storage.objects(
        bucket, folder + glob.prefix, names.first, names.end, recursive=not glob.is_flat
    ):
        # A name that ends in a slash is how consoles show an empty folder.
        if not found.name.endswith("/"):
            ref = ImageRef(f"gs://{bucket}/{found.name}", found.generation, size=found.size)
            yield ref, found.name.removeprefix(folder)


def _bucket_and_folder(glob: Glob) -> tuple[str, str]:
    from beam_deeplab.deeplab import cloud_client

    bucket, name = cloud_client.split(glob.folder)
    return bucket, f"{name}/" if name else ""


def _find_by_beam(glob: Glob) -> Iterator[tuple[ImageRef, str]]:
    from beam_deeplab.transforms.storage import beam as beam_storage

    # Beam's ``**/`` does not match "no folder", so it lists more than is asked for.
    everything = f"{glob.folder}/{glob.prefix}{'*' if glob.is_flat else '**'}"
    for found in beam_storage.find(everything):
        version = beam_storage.version_of(found)
        ref = ImageRef(found.path, version.version, size=version.size)
        yield ref, found.path.removeprefix(f"{glob.folder}/")
