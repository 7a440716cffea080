"""URIs -> refs: what version of each stands there now, for as few requests as that takes.

A shard's id hashes the versions of its images and ``--resume`` skips by them, so they must be
known before the work is planned, also for the lines of a list. Asking ``gs://`` object by object
costs a request each: for a million lines 0.4 USD and, at 50 ms and 16 threads, 50 minutes. One
page of a listing costs as much as 12.5 such requests but answers up to 1,000. So lines are taken
in batches, grouped by folder, and a folder is listed from name to name for as long as its pages
answer enough of the lines; only the remaining lines are asked for one by one.
"""

from __future__ import annotations

import errno
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.records import ImageRef
from beam_deeplab.transforms.storage import FileVersion

BATCH: Final = 10_000
"""Lines that are looked up together; a list keeps its order across batches."""

LINES_WORTH_A_PAGE: Final = 13
"""A page of a listing is a class A operation, 12.5 times the price of one object's metadata."""


def with_versions(uris: Iterable[str]) -> Iterator[ImageRef]:
    """Pairs each URI with its present version, in the order given.

    That is empty where no file is, none may be looked at, or the URI can name none. OSError says
    that the storage does not answer.
    """
    for batch in _batches(uris):
        versions: dict[str, FileVersion] = {}
        by_scheme: dict[str, list[str]] = {}
        for uri in dict.fromkeys(batch):
            by_scheme.setdefault(storage.scheme(uri), []).append(uri)
        for scheme, alike in by_scheme.items():
            if scheme == "gs":
                versions |= _generations(alike)
            else:
                versions |= zip(alike, storage.versions(alike), strict=True)
        for uri in batch:
            found = versions[uri]
            yield ImageRef(uri, found.version, size=found.size)


def _batches(uris: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(uris)
    while batch := list(itertools.islice(remaining, BATCH)):
        yield batch


def _generations(uris: Sequence[str]) -> dict[str, FileVersion]:
    from beam_deeplab.deeplab import cloud_client

    by_folder: dict[str, list[str]] = {}
    generations: dict[str, FileVersion] = {}
    for uri in uris:
        if _names_object(uri):
            by_folder.setdefault(uri[: uri.rindex("/") + 1], []).append(uri)
        else:
            generations[uri] = FileVersion()
    for listed in cloud_client.threads().map(_list_folder, by_folder, by_folder.values()):
        generations |= listed
    single = [uri for uri in uris if uri not in generations]
    return generations | dict(zip(single, storage.versions(single), strict=True))


def _names_object(uri: str) -> bool:
    from beam_deeplab.deeplab import cloud_client

    try:
        name = cloud_client.split(uri)[1]
    except OSError:
        return False
    return bool(name) and not name.endswith("/")


def _list_folder(folder: str, uris: Sequence[str]) -> dict[str, FileVersion]:
    """The generations that listing gives for little enough; the others are left out."""
    from beam_deeplab.deeplab import cloud_client
    from beam_deeplab.transforms.storage import cloud as cloud_storage

    bucket, prefix = cloud_client.split(folder)
    generations: dict[str, FileVersion] = {}
    # Listings are in the order of UTF-8 bytes, which is that of code points.
    wanted = sorted(cloud_client.split(uri)[1] for uri in uris)
    while len(wanted) >= LINES_WORTH_A_PAGE:
        try:
            page, complete = cloud_storage.object_page(bucket, prefix, wanted[0], f"{wanted[-1]}\0")
        except (PermissionError, FileNotFoundError):
            # Reading an object takes less of a permission than listing its folder.
            break
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            break  # one line can name no object; asked for one by one, only that line shows it
        found = {item.name: FileVersion(item.generation, item.size) for item in page}
        last = wanted[-1] if complete else page[-1].name if page else ""
        answered = [name for name in wanted if name <= last]
        generations |= {
            f"gs://{bucket}/{name}": found.get(name, FileVersion()) for name in answered
        }
        wanted = wanted[len(answered) :]
        if len(answered) < LINES_WORTH_A_PAGE:
            break
    return generations
