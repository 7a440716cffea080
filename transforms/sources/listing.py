"""What a user names as input -> the images, each with the version that stands there now."""

from __future__ import annotations

import errno
import itertools
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from beam_deeplab.deeplab.image_suffixes import has_image_suffix
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.records import ImageRef, LeftOut
from beam_deeplab.transforms.sources import image_lists
from beam_deeplab.transforms.sources.matching import Found, find_files, is_hidden, match_files
from beam_deeplab.transforms.sources.patterns import (
    Glob,
    alternatives,
    is_wild,
)
from beam_deeplab.transforms.sources.versions import with_versions
from beam_deeplab.transforms.storage import local as local_storage

_KINDS: Final = 20
"""How many kinds of what is left out one input tells apart; the rest are ``of other kinds``."""

_Listed = Iterator[ImageRef | LeftOut]


def absolute_pattern(pattern: str) -> str:
    """A pattern that means the same in any working directory; for where a user has typed it.

    ``~`` is expanded, links are kept; what has a scheme is returned unchanged.
    """
    if storage.scheme(pattern) or pattern[:7].lower() == "file://":
        return pattern
    path = os.path.abspath(Path(pattern).expanduser())  # noqa: PTH100 - resolve() follows links
    return f"/{path.lstrip('/')}"


def list_input(pattern: str, output: str = "") -> _Listed:
    """The images that one input names, streamed, and at the end what of it is left out.

    * A glob (:mod:`transforms.sources.patterns`): the files that match. One that leaves open how
      their names end (``photos/**``, ``photos/2024*``) takes those with an image's suffix; one
      that does not (``*.jpg_640``) takes all.
    * A folder: the files below it with an image's suffix. A folder that directly holds Parquet
      files and no others is a list.
    * A ``.txt``, ``.csv`` or ``.parquet``, or a glob of such: a list
      (:func:`transforms.sources.image_lists.read_uris`).
    * Any other path: that file.

    A path or a line of a list that names no file yields a ref too, with an empty version, so that
    it is accounted for when it is read; so does a folder below that may not be looked into.

    Args:
        pattern: A local path or ``gs://``; other schemes as far as Beam's file systems go, a
            folder there with a slash at its end.
        output: The folder of the run that asks: nothing in it is an input, unless the pattern
            itself begins there.

    Yields:
        Refs, an image named twice twice; then counts, one a kind.

    Raises:
        PatternError: The pattern cannot be understood.
        ImageListError: A list is malformed.
        OSError: A folder or a list cannot be read (what is in it would be lost unnoticed).
    """
    left_out = Counter[str]()
    for found in _named_by(pattern, output):
        if isinstance(found, ImageRef):
            yield found
        else:
            left_out[found.kind] += found.count
    for kind, count in left_out.most_common()[:_KINDS]:
        yield LeftOut(pattern, kind, count)
        left_out[kind] = 0
    if rest := left_out.total():
        yield LeftOut(pattern, "of other kinds", rest)


def _named_by(pattern: str, output: str) -> _Listed:
    if not pattern:
        raise OSError(errno.EINVAL, "an input is empty")
    if not storage.scheme(pattern):
        pattern = absolute_pattern(local_storage.local_path(pattern))
    elif is_wild(pattern.split("/")[2]):
        raise OSError(errno.EINVAL, "the name of a bucket cannot be a pattern", pattern)
    forms = alternatives(pattern)
    if not is_wild(pattern) and (len(forms) == 1 or _stands(pattern)):
        yield from _named(pattern, output)
        return
    matched = False
    for form in dict.fromkeys([*forms, pattern] if is_wild(pattern) else forms):
        for found in _matching(form, output) if is_wild(form) else _named(form, output):
            matched = True
            yield found
    # What looks like a pattern can be the name of a folder.
    if is_wild(pattern) and (not matched or "[" in pattern) and _is_folder(pattern):
        yield from _named(pattern, output)


def _matching(pattern: str, output: str) -> _Listed:
    glob = Glob.parse(pattern)
    return _lists(glob, output) if image_lists.is_image_list(pattern) else _sorted_out(glob, output)


def _lists(glob: Glob, output: str) -> _Listed:
    lists = (each for each in find_files(glob, output) if not each.in_output)
    return _listed_in(each.ref for each in lists)


def _sorted_out(glob: Glob, output: str) -> _Listed:
    for found in find_files(glob, output):
        kind = _left_out_as(glob, found)
        yield LeftOut(glob.folder, kind, 1) if kind else found.ref


def _left_out_as(glob: Glob, found: Found) -> str:
    """The kind of what is no input; empty for an image."""
    if found.in_output:
        return "in the output"
    if found.ref.uri.endswith("/"):
        return ""
    if is_hidden(glob, found):
        return "hidden"
    if not glob.is_open or has_image_suffix(found.path):
        return ""
    suffix = PurePosixPath(found.path).suffix.lower()[:20]
    return "".join(c if c.isprintable() else "?" for c in suffix) or "without suffix"


def _named(path: str, output: str) -> _Listed:
    """What a path without magic names."""
    (ref,) = with_versions([path if storage.scheme(path) else local_storage.local_uri(path)])
    if not ref.version and _is_folder(path):
        if _holds_only_lists(path):
            yield from _lists(Glob(path.rstrip("/"), ("*.parquet",)), output)
        else:
            yield from _sorted_out(Glob(path.rstrip("/"), ("**",)), output)
    elif image_lists.is_image_list(path):
        yield from _listed_in([ref])
    else:
        yield ref


def _stands(path: str) -> bool:
    return bool(storage.versions([path])[0].version) or _is_folder(path)


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
