"""What a user names as input -> the images, each with the version that stands there now."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from beam_deeplab.deeplab.image_suffixes import has_image_suffix
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.records import ImageRef, LeftOut
from beam_deeplab.transforms.sources import image_lists
from beam_deeplab.transforms.sources.left_out import KINDS, count_left_out
from beam_deeplab.transforms.sources.matching import (
    Found,
    find_files,
    is_hidden,
    match_files,
    split_names,
)
from beam_deeplab.transforms.sources.patterns import Glob, alternatives, is_wild
from beam_deeplab.transforms.sources.versions import with_versions
from beam_deeplab.transforms.storage import local as local_storage
from beam_deeplab.transforms.storage.name_ranges import ALL, NameRange

_Listed = Iterator[ImageRef | LeftOut]


def absolute_pattern(pattern: str) -> str:
    """A pattern that means the same in any working directory; for where a user has typed it.

    ``~`` is expanded, links are kept; what has a scheme is returned unchanged.
    """
    if storage.scheme(pattern) or pattern[:7].lower() == "file://":
        return pattern
    path = os.path.abspath(Path(pattern).expanduser())  # noqa: PTH100 - resolve() follows links
    return f"/{path.lstrip('/')}"


@dataclass(frozen=True, slots=True)
class InputShare:
    """What one worker lists of an input.

    Attributes:
        pattern: The input, as the user has named it.
        of: A file, which may be a list of images; or a glob.
        names: Which of the names that the glob lists.
    """

    pattern: str
    of: ImageRef | Glob
    names: NameRange = ALL


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
    return count_left_out(pattern, _listed_by(pattern, output), KINDS)


def _listed_by(pattern: str, output: str) -> _Listed:
    matched = False

    def is_only_a_folder(_: str) -> bool:
        return not matched

    for share in _shares(pattern, output, is_only_a_folder):
        for found in _listed(share, output):
            matched = True
            yield found


def split_input(pattern: str, output: str = "") -> Iterator[InputShare]:
    """Splits what :func:`list_input` lists, so that many can list it at once.

    A list is a share, each file of a glob of lists too. So is a glob or a folder, but for one in
    ``gs://`` that takes more than a page: some 64 ranges of its names are, and nothing that
    appears there meanwhile falls between them.

    Args:
        pattern: As for :func:`list_input`.
        output: As for :func:`list_input`.

    Yields:
        Shares for :func:`list_share`.

    Raises:
        PatternError: The pattern cannot be understood.
        OSError: A folder cannot be read.
    """

    def is_only_a_folder(path: str) -> bool:
        # First what costs one request: hardly a pattern is the name of a folder.
        return _is_folder(path) and not any(
            True
            for share in _shares(pattern, output, lambda _: False)
            for _ in _listed(share, output)
        )

    parted: dict[tuple[str, str, bool], list[NameRange]] = {}
    for share in _shares(pattern, output, is_only_a_folder):
        if isinstance(share.of, Glob):
            # The alternatives of a pattern, as of ``*.{jpg,png}``, mostly list the same names.
            listing = (share.of.folder, share.of.prefix, share.of.is_flat)
            if listing not in parted:
                parted[listing] = split_names(share.of)
            yield from (replace(share, names=names) for names in parted[listing])
        else:
            yield share


def list_share(share: InputShare, output: str = "") -> _Listed:
    """The images of a share, streamed, and at the end what of it is left out.

    Args:
        share: One of :func:`split_input`.
        output: As for :func:`list_input`.

    Yields:
        Refs, then counts, which :func:`transforms.sources.left_out.add_up` adds to those of others.

    Raises:
        ImageListError: A list is malformed.
        OSError: A folder or a list cannot be read.
    """
    return count_left_out(share.pattern, _listed(share, output))


def _shares(
    pattern: str, output: str, is_only_a_folder: Callable[[str], bool]
) -> Iterator[InputShare]:
    """What an input names, whole.

    Args:
        pattern: The input.
        output: The folder of the run that asks.
        is_only_a_folder: Whether nothing matches a pattern, made absolute; a folder may have its
            name all the same. Asked when what may match has been given.
    """
    path = pattern
    if not pattern:
        raise OSError(errno.EINVAL, "an input is empty")
    if not storage.scheme(pattern):
        path = absolute_pattern(local_storage.local_path(pattern))
    elif is_wild(pattern.split("/")[2]):
        raise OSError(errno.EINVAL, "the name of a bucket cannot be a pattern", pattern)
    forms = alternatives(path)
    if is_wild(path):
        forms.append(path)
    elif len(forms) == 1 or _stands(path):
        forms = [path]
    for form in dict.fromkeys(forms):
        named = _matching(form, output) if is_wild(form) else _named(form, output)
        yield from (InputShare(pattern, each) for each in named)
    # What looks like a pattern can be the name of a folder.
    if is_wild(path) and ("[" in path or is_only_a_folder(path)) and _is_folder(path):
        yield from (InputShare(pattern, each) for each in _named(path, output))


def _matching(pattern: str, output: str) -> Iterator[ImageRef | Glob]:
    glob = Glob.parse(pattern)
    if image_lists.is_image_list(pattern):
        yield from _lists(glob, output)
    else:
        yield glob


def _named(path: str, output: str) -> Iterator[ImageRef | Glob]:
    """What a path without magic names."""
    (ref,) = with_versions([path if storage.scheme(path) else local_storage.local_uri(path)])
    if ref.version or not _is_folder(path):
        yield ref
    elif _holds_only_lists(path):
        yield from _lists(Glob(path.rstrip("/"), ("*.parquet",)), output)
    else:
        yield Glob(path.rstrip("/"), ("**",))


def _lists(glob: Glob, output: str) -> Iterator[ImageRef]:
    return (each.ref for each in find_files(glob, output) if not each.in_output)


def _listed(share: InputShare, output: str) -> _Listed:
    if isinstance(share.of, Glob):
        for found in find_files(share.of, output, share.names):
            kind = _left_out_as(share.of, found)
            yield LeftOut(share.pattern, kind, 1) if kind else found.ref
    elif image_lists.is_image_list(share.of.uri):
        yield from with_versions(image_lists.read_uris(share.of.uri))
    else:
        yield share.of


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
