"""What was derived from weights, kept on disk under the digests of what it was derived from.

One file an entry: the SHA-256 of key and content in 64 hex digits, then the content. It appears
by one rename, so a reader sees all of it or none, and what does not fit its digest is made anew.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import logging
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from beam_deeplab.deeplab.zoo import CACHE_VARIABLE, cache_folder

_LOGGER = logging.getLogger(__name__)

_HEADER_LENGTH = 64
Derived = TypeVar("Derived")


@dataclass(frozen=True, slots=True)
class DerivedEntry:
    """One entry's place in the cache.

    Attributes:
        shelf: Folder of the cache for entries of one kind.
        name: For people: how the file's name begins.
        key: All that the content depends on, as plain data for JSON.
    """

    shelf: str
    name: str
    key: Mapping[str, Any]

    @property
    def path(self) -> Path:
        """The entry's file."""
        return cache_folder() / self.shelf / f"{self.name}-{self._key_digest()[:16]}"

    def load_or_make(
        self, restore: Callable[[bytes], Derived], make: Callable[[], tuple[Derived, bytes]]
    ) -> Derived:
        """What is kept, or else what is made now and kept for the next time.

        One process makes, others wait for it. A cache that cannot be used costs time, never the
        result.

        Args:
            restore: From kept content, which is whole; what it raises counts as damage.
            make: Makes the thing and the content to keep.

        Returns:
            The thing.
        """
        if (kept := self._restored(restore)) is not None:
            return kept
        with self._lock():
            if (kept := self._restored(restore)) is not None:
                return kept
            made, content = make()
            self._write(content)
            return made

    def read(self) -> bytes | None:
        """The content; None where there is none, or where it does not fit its digest."""
        try:
            with self.path.open("rb") as file:
                header, content = file.read(_HEADER_LENGTH), file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            _LOGGER.debug("Cannot read %s: %s", self.path, error)
            return None
        if header != self._digest_of(content):
            _LOGGER.warning("%s is damaged; it is made anew", self.path)
            return None
        return content

    def _restored(self, restore: Callable[[bytes], Derived]) -> Derived | None:
        content = self.read()
        if content is None:
            return None
        try:
            return restore(content)
        except Exception as error:
            _LOGGER.warning("%s cannot be used; it is made anew (%s)", self.path, error)
            return None

    def _write(self, content: bytes) -> None:
        pending = self.path.with_name(f".{self.path.name}.{uuid.uuid4().hex}")
        try:
            try:
                with pending.open("xb") as file:
                    file.write(self._digest_of(content))
                    file.write(content)
                pending.replace(self.path)
            finally:
                pending.unlink(missing_ok=True)
        except OSError as error:
            _LOGGER.warning(
                "Nothing is kept for the next start: %s (%s may name another folder)",
                error,
                CACHE_VARIABLE,
            )

    @contextmanager
    def _lock(self) -> Iterator[None]:
        from filelock import FileLock

        lock = FileLock(self.path.with_name(f".{self.path.name}.lock"))
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except (OSError, NotImplementedError) as error:
            _LOGGER.debug("No lock on %s: %s", self.path, error)
            yield
            return
        try:
            yield
        finally:
            lock.release()

    def _key_json(self) -> bytes:
        return json.dumps(dict(self.key), sort_keys=True).encode()

    def _key_digest(self) -> str:
        return hashlib.sha256(self._key_json()).hexdigest()

    def _digest_of(self, content: bytes) -> bytes:
        digest = hashlib.sha256(self._key_json())
        digest.update(content)
        return digest.hexdigest().encode()


@cache
def code_digest(*packages: str) -> str:
    """SHA-256 of the source of packages, so that an entry never outlives the code it came from.

    Args:
        packages: E.g. ``deeplab.architecture``.

    Returns:
        64 hex digits over the names and contents of their modules.
    """
    digest = hashlib.sha256()
    for package in packages:
        modules = importlib.resources.files(package).iterdir()
        for module in sorted(modules, key=lambda module: module.name):
            if module.name.endswith(".py"):
                digest.update(f"{package}/{module.name}\n".encode())
                digest.update(module.read_bytes())
    return digest.hexdigest()
