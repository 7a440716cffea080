"""Names that rows and columns go by: an image's below its collection, a class's as a column."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable, Sequence

from beam_deeplab.deeplab.image_suffixes import has_image_suffix
from beam_deeplab.transforms.sources.image_lists import is_image_list

_MAGIC = re.compile(r"[*?\[{]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def collection_root(patterns: Iterable[str]) -> str:
    """The folder that all images of some patterns lie under, as far as the patterns tell.

    Args:
        patterns: Globs, folders, paths and lists, local ones absolute.

    Returns:
        A folder's URI without a slash at its end; empty if they share none.
    """
    folders = []
    for pattern in patterns:
        magic = _MAGIC.search(pattern)
        literal = pattern[: magic.start()] if magic else pattern
        # What is called neither as an image nor as a list is a folder.
        is_folder = not (magic or has_image_suffix(pattern) or is_image_list(pattern))
        folders.append(literal.rstrip("/") if is_folder else literal.rpartition("/")[0])
    schemes = {_scheme_of(folder) for folder in folders}
    if len(schemes) != 1:
        return ""
    scheme = schemes.pop()
    try:
        common = os.path.commonpath([folder.removeprefix(scheme) for folder in folders])
        return scheme + common if common else ""
    except ValueError:  # nothing in common, or relative and absolute paths
        return ""


def relative_name(uri: str, root: str) -> str:
    """An image's name: its URI below the collection's root, unique as the URI is.

    What does not lie under the root (:func:`collection_root`) keeps all of its path.
    """
    if root and uri.startswith(f"{root.rstrip('/')}/"):
        return uri[len(root.rstrip("/")) + 1 :]
    return uri[len(_scheme_of(uri)) :].lstrip("/")


def column_names(class_names: Sequence[str], prefix: str) -> list[str]:
    """A column's name for each class: letters, digits and underscores, as BigQuery takes them.

    Classes have any texts for names, each different; columns differ also where case does not count.
    """
    names: list[str] = []
    for label, class_name in enumerate(class_names):
        plain = re.sub(r"[^a-z0-9]+", "_", class_name.lower()).strip("_")[:200]
        tries = itertools.chain(
            [plain], (f"{plain}_{n}".strip("_") for n in itertools.count(label))
        )
        names.append(next(name for text in tries if text and (name := prefix + text) not in names))
    return names


def _scheme_of(uri: str) -> str:
    found = _SCHEME.match(uri)
    return found.group() if found else ""
