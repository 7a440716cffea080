"""What the files of an export are called: after the images, safe on any system, each different."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from itertools import count
from typing import Final

from beam_deeplab.deeplab.image_suffixes import IMAGE_SUFFIXES, has_image_suffix
from beam_deeplab.transforms.parquet.names import relative_name

_LONGEST: Final = 200
"""Bytes of a part of a path: file systems take 255, and suffixes are to come."""

# What Windows refuses; what lists of names are parted at (blanks, commas, quotes) or begin comments
# with; and what the bytes of a name that is not UTF-8 are read as.
_UNSAFE: Final = re.compile(r"""[\x00-\x20\x7f-\x9f<>:"'|?*\\,;#%\s\ud800-\udfff]""")
_RESERVED: Final = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\.|$)", re.IGNORECASE)


def export_names(uris: Iterable[str], root: str) -> dict[str, str]:
    """A name for each image: its path below the collection, without suffix, of safe characters.

    Args:
        uris: Different ones.
        root: The collection's folder (:func:`transforms.parquet.names.collection_root`).

    Returns:
        By URI a relative path with ``/`` between its parts. No two are equal, also where case does
        not count, and with a suffix none is a folder of another. What they are depends on the URIs
        alone, in any order: where names meet, the first URI has the plain one.
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    for uri in sorted(uris):
        plain = name = safe_name(relative_name(uri, root))
        tries = count()
        while (key := unicodedata.normalize("NFC", name.casefold())) in taken:
            name = f"{plain}-{_digest(f'{uri}{next(tries)}')}"
        taken.add(key)
        names[uri] = name
    return names


def safe_name(path: str) -> str:
    """A path of safe characters only, without the suffix of an image.

    Whatever else a path holds becomes underscores: ``..``, what systems reserve, and dots at the
    beginning or the end of its parts.
    """
    *folders, name = [part for part in path.split("/") if part not in ("", ".")] or [""]
    name = next(
        (name[: -len(each)] for each in IMAGE_SUFFIXES if name.lower().endswith(each)), name
    )
    parents = [_safe_part(folder) for folder in folders]
    # A folder that is called as a mask is would be in the way of the mask.
    parents = [f"{part}_" if has_image_suffix(part) else part for part in parents]
    return "/".join([*parents, _safe_part(name)])


def _safe_part(part: str) -> str:
    safe = _UNSAFE.sub("_", unicodedata.normalize("NFC", part))
    safe = re.sub(r"^[.~-]|\.$", "_", safe) or "_"
    if _RESERVED.match(safe):
        safe = f"_{safe}"
    if len(safe.encode()) > _LONGEST:
        cut = safe.encode()[: _LONGEST - 9].decode(errors="ignore")
        safe = f"{cut}-{_digest(part)}"
    return safe


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:8]
