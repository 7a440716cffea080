"""What was derived from weights, kept in the cache under all that it was derived from.

The mechanism is that of downloaded models (:mod:`deeplab.zoo.cache`); but what is missing, damaged
or not to be trusted is made anew, and a cache that cannot be used costs time, never the result.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import logging
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from beam_deeplab.deeplab.zoo import CACHE_VARIABLE, DigestError, cache_folder
from beam_deeplab.deeplab.zoo.cache import CacheEntry

_LOGGER = logging.getLogger(__name__)

Derived = TypeVar("Derived")


class _UnreadableError(Exception):
    """A kept folder that is what was written, and yet cannot be read."""


def derived_entry(shelf: str, name: str, key: Mapping[str, Any]) -> CacheEntry:
    """Where something derived is kept.

    Args:
        shelf: Folder of the cache for entries of one kind.
        name: For people: how the entry's name begins.
        key: All that the content depends on, as plain data for JSON.
    """
    digest = hashlib.sha256(json.dumps(dict(key), sort_keys=True).encode()).hexdigest()
    return CacheEntry(cache_folder() / shelf, f"{name}-{digest[:16]}")


def load_or_make(
    entry: CacheEntry, restore: Callable[[Path], Derived], make: Callable[[Path], None]
) -> Derived:
    """What is kept, or else what is made now and kept for the next time.

    One process makes, others wait for it. What others than this user could have written is not
    taken: whoever can change an entry can change the digests beside it too.

    Args:
        entry: Where it is kept.
        restore: Reads a folder that ``make`` filled; what it raises counts as damage.
        make: Puts files into an empty folder.
    """

    def fill() -> None:
        with entry.workspace() as workspace:
            content = workspace / "content"
            content.mkdir()
            make(content)
            entry.install(content, source=entry.key, archive_digest=None)

    def restored() -> Derived:
        folder = entry.filled(fill)
        try:
            return restore(folder)
        except Exception as error:
            raise _UnreadableError(error) from error

    try:
        if not entry.others_can_write():
            try:
                return restored()
            except (DigestError, _UnreadableError) as error:
                _LOGGER.warning("%s is damaged; it is made anew (%s)", entry.folder, error)
                entry.discard()
                return restore(entry.filled(fill))
        reason = f"others can write {entry.shelf}"
    except OSError as error:
        reason = str(error)
    _LOGGER.warning(
        "Nothing is kept for the next start: %s (%s may name another folder)",
        reason,
        CACHE_VARIABLE,
    )
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder))
        return restore(Path(folder))


@cache
def code_digest(*packages: str) -> str:
    """SHA-256, in hex, of the source of packages: no entry outlives the code that it came from."""
    digest = hashlib.sha256()
    for package in packages:
        modules = importlib.resources.files(package).iterdir()
        for module in sorted(modules, key=lambda module: module.name):
            if module.name.endswith(".py"):
                digest.update(f"{package}/{module.name}\n".encode())
                digest.update(module.read_bytes())
    return digest.hexdigest()
