"""The cache folder: entries, their records, and the digests that guard them.

An entry is a folder, the JSON record beside it, and a lock. The folder appears by one rename
when it is complete, and counts when its record is there too. The record holds where it came from,
the digest of the archive that it was unpacked from, trusted at first use, and the digest of every
file, checked at every use.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from beam_deeplab.deeplab.zoo.errors import DigestError

CACHE_VARIABLE = "BEAM_DEEPLAB_CACHE"
"""Environment variable that names the cache folder."""


_NOT_WRITABLE_BY_OTHERS = 0o755
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def cache_folder() -> Path:
    """Where models are kept: ``BEAM_DEEPLAB_CACHE``, or the user's cache folder.

    A user without a home that can be written has a folder of his own among the temporary files.
    """
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(os.path.expanduser(named)).absolute()  # noqa: PTH111  (raises without a home)
    import platformdirs

    try:
        folder = platformdirs.user_cache_path("beam-deeplab", appauthor=False)
    except RuntimeError:
        return _temporary_folder()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    usable = folder.is_absolute() and (existing == folder or os.access(existing, os.W_OK | os.X_OK))
    return folder if usable else _temporary_folder()


@cache
def _temporary_folder() -> Path:
    user = os.geteuid() if hasattr(os, "geteuid") else "user"
    folder = Path(tempfile.gettempdir()) / f"beam-deeplab-{user}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if not folder.is_symlink() and not others_can_write([folder]):
            return folder
    except OSError:
        pass
    # Somebody else was there first.
    return Path(tempfile.mkdtemp(prefix="beam-deeplab-"))


def others_can_write(paths: Iterable[Path]) -> bool:
    """Whether anybody but this user and the administrator may change one of some files."""
    if not hasattr(os, "geteuid"):
        return False
    facts = [path.stat() for path in paths]
    return any(
        fact.st_uid not in (0, os.geteuid()) or fact.st_mode & _OTHERS_WRITE for fact in facts
    )


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One entry's place in the cache.

    Attributes:
        shelf: Folder of the cache that holds entries of one kind.
        key: The entry's name in it; a plain file name.
    """

    shelf: Path
    key: str

    @property
    def folder(self) -> Path:
        """The unpacked files."""
        return self.shelf / self.key

    @property
    def record_path(self) -> Path:
        """The JSON record of digests."""
        return self.shelf / f"{self.key}.json"

    @property
    def partial_path(self) -> Path:
        """The archive while it is downloaded."""
        return self.shelf / f"{self.key}.partial"

    def is_complete(self) -> bool:
        """Whether the entry is there, whole and recorded."""
        return self.folder.is_dir() and self.record_path.is_file()

    def others_can_write(self) -> bool:
        """Whether the entry is, or may have been, changed by others together with its record."""
        places = [self.shelf.parent, self.shelf, self.folder, self.record_path]
        return others_can_write(
            [path for path in (*places, *self.folder.rglob("*")) if path.exists()]
        )

    def filled(self, fill: Callable[[], None]) -> Path:
        """The folder, checked as by :meth:`checked`.

        Where it is not there, one process or thread at a time calls ``fill`` to install it, while
        others wait.

        Raises:
            DigestError: As :meth:`checked`.
            OSError: The cache cannot be written or read.
        """
        if not self.is_complete():
            with self._lock():
                if not self.is_complete():
                    fill()
        return self.checked()

    def archive_digest(self) -> str | None:
        """SHA-256 of the archive at first use; None if there was none yet.

        Raises:
            DigestError: If the record is damaged.
        """
        return self._record().get("archive_sha256") if self.record_path.is_file() else None

    def checked(self) -> Path:
        """The folder, after every file in it was held against the record.

        Raises:
            DigestError: If a file was changed, removed or added; files whose names begin with a
                dot do not count.
        """
        recorded: dict[str, str] = self._record()["files"]
        present = _relative_files(self.folder)
        remedy = f"remove {self.folder} to get the model afresh"
        for name in sorted(recorded.keys() ^ present):
            state = "is missing from" if name in recorded else "was added to"
            raise DigestError(f"{name} {state} {self.folder}; {remedy}")
        for name, digest in recorded.items():
            if file_digest(self.folder / name) != digest:
                raise DigestError(
                    f"{self.folder / name} is not what it was at first use (SHA-256 in "
                    f"{self.record_path}); {remedy}"
                )
        return self.folder

    def install(self, folder: Path, *, source: str, archive_digest: str | None) -> None:
        """Move a complete folder on the cache's disk (see :meth:`workspace`) into place; record it.

        With it go the source, for the reader of the record, and the digest of the archive.
        """
        record = {
            "source": source,
            "archive_sha256": archive_digest,
            "files": {name: file_digest(folder / name) for name in sorted(_relative_files(folder))},
        }
        with self.workspace() as workspace:
            for path in (folder, *folder.rglob("*")):
                path.chmod(path.stat().st_mode & ~_OTHERS_WRITE)
            if self.folder.exists():
                os.replace(self.folder, workspace / "replaced")  # noqa: PTH105  (one for both)
            os.replace(folder, self.folder)  # noqa: PTH105
            written = workspace / "record.json"
            written.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
            written.chmod(written.stat().st_mode & ~_OTHERS_WRITE)
            os.replace(written, self.record_path)  # noqa: PTH105

    def discard(self) -> None:
        """Removes the entry, so that it is filled anew."""
        with self.workspace() as workspace:
            self.record_path.unlink(missing_ok=True)
            if self.folder.exists():
                self.folder.rename(workspace / "discarded")

    @contextmanager
    def workspace(self) -> Iterator[Path]:
        """A temporary folder on the cache's disk, gone afterwards."""
        self._make_shelf()
        folder = Path(tempfile.mkdtemp(prefix=f".{self.key}.", dir=self.shelf))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        from filelock import FileLock

        self._make_shelf()
        lock = FileLock(self.shelf / f".{self.key}.lock")
        try:
            lock.acquire()
        except NotImplementedError:
            # This disk knows no locks: several may do the same work, and the last one's stays.
            yield
            return
        try:
            yield
        finally:
            lock.release()

    def _make_shelf(self) -> None:
        self.shelf.parent.mkdir(_NOT_WRITABLE_BY_OTHERS, parents=True, exist_ok=True)
        self.shelf.mkdir(_NOT_WRITABLE_BY_OTHERS, exist_ok=True)

    def _record(self) -> dict[str, Any]:
        try:
            record = json.loads(self.record_path.read_text("utf-8"))
            if isinstance(record, dict) and isinstance(record["files"], dict):
                return record
        except (ValueError, KeyError, RecursionError):
            pass
        raise DigestError(f"{self.record_path} is damaged; remove it to get the model afresh")


def _relative_files(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }
