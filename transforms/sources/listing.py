"""What a user names as input -> the images, each with the version that stands there now."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from beam_deeplab.deeplab.image_suffixes import has_image_suffix
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.records import ImageRef
from beam_deeplab.transforms.sources import image_lists
from beam_deeplab.transforms.sources.matching import match_files
from beam_deeplab.transforms.sources.patterns import Glob, has_magic
from beam_deeplab.transforms.sources.versions import with_versions
from beam_deeplab.transforms.storage import local as local_storage


def absolute_pattern(pattern: str) -> str:
    """A pattern that means the same in any working directory; for where a user has typed it.

    ``~`` is expanded, links are kept; what has a scheme is returned unchanged.
    """
    if storage.scheme(pattern) or pattern[:7].lower() == "file://":
        return pattern
    return os.path.abspath(Path(pattern).expanduser())  # noqa: PTH100 - resolve() follows links


def list_images(pattern: str) -> Iterator[ImageRef]:
    """The images that one input names, streamed.

    * A glob (:mod:`transforms.sources.patterns`): the files that match. Nothing if none does,
      unless a file of just that name exists.
    * A folder: the files below it with a suffix of an image in any case, hidden
      ones left out. A folder that directly holds Parquet files and no others is a list.
    * A ``.txt``, ``.csv`` or ``.parquet``, or a glob of such: a list
      (:func:`transforms.sources.image_lists.read_uris`).
    * Any other path: that file.

    A path or a line of a list that names no file yields a ref too, with an empty version, so that
    it is accounted for when it is read.

    Args:
        pattern: A local path or ``gs://``; other schemes as far as Beam's file systems go, a
            folder there with a slash at its end.

    Yields:
        Refs; an image named twice comes twice.

    Raises:
        ImageListError: A list is malformed.
        OSError: A folder or a list cannot be read (what is in it would be lost unnoticed).
    """
    if not storage.scheme(pattern):
        pattern = absolute_pattern(local_storage.local_path(pattern))
    elif has_magic(pattern.split("/")[2]):
        raise OSError(errno.EINVAL, "the name of a bucket cannot be a pattern", pattern)
    if has_magic(pattern):
        matches = match_files(Glob.parse(pattern))
        first = next(matches, None)
        if first is not None:
            every = itertools.chain([first], matches)
            yield from _listed_in(every) if image_lists.is_image_list(pattern) else every
            return
        if not storage.versions([pattern])[0]:
            return
    yield from _named(pattern)


def _named(path: str) -> Iterator[ImageRef]:
    """What a path without magic names."""
    (ref,) = with_versions([path if storage.scheme(path) else local_storage.local_uri(path)])
    if not ref.version and _is_folder(path):
        if _holds_only_lists(path):
            yield from _listed_in(match_files(Glob(path.rstrip("/"), ("*",))))
        else:
            below = match_files(Glob(path.rstrip("/"), ("**",)))
            yield from (found for found in below if has_image_suffix(found.uri))
    elif image_lists.is_image_list(path):
        yield from _listed_in([ref])
    else:
        yield ref


def _is_folder(path: str) -> bool:
    if not storage.scheme(path):
        return Path(path).is_dir()
    if path.endswith("/"):
        return True
    return storage.scheme(path) == "gs" and (
        path.count("/") == 2 or next(match_files(Glob(path, ("**",))), None) is not None
    )


def _holds_only_lists(folder: str) -> bool:
    names = (ref.uri.lower() for ref in match_files(Glob(folder.rstrip("/"), ("*",))))
    first = next(names, None)
    return first is not None and all(
        name.endswith(".parquet") for name in itertools.chain([first], names)
    )


def _listed_in(lists: Iterable[ImageRef]) -> Iterator[ImageRef]:
    uris = itertools.chain.from_iterable(image_lists.read_uris(each.uri) for each in lists)
    return with_versions(uris)
