"""The cache of unpacked models: entries, their records, and the digests that guard them.

An entry is a folder, the JSON record beside it, and a lock. The folder appears by one rename
when it is complete, and counts when its record is there too. The record holds the digest of the
archive that it came from, trusted at first use, and of every file, checked at every use.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from beam_deeplab.deeplab.zoo.errors import DigestError

CACHE_VARIABLE = "BEAM_DEEPLAB_CACHE"
"""Environment variable that names the cache folder."""


def cache_folder() -> Path:
    """Where downloaded models are kept: ``BEAM_DEEPLAB_CACHE``, or the user's cache folder."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named).expanduser().absolute()
    import platformdirs

    return platformdirs.user_cache_path("beam-deeplab", appauthor=False)


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One model's place in the cache.

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
        """Whether the model is there, unpacked and recorded."""
        return self.folder.is_dir() and self.record_path.is_file()

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
        """Move a complete folder into place and record it.

        Args:
            folder: On the same disk as the cache, best from :meth:`workspace`.
            source: Where it came from, for the reader of the record.
            archive_digest: SHA-256 of the archive that it was unpacked from.
        """
        record = {
            "source": source,
            "archive_sha256": archive_digest,
            "files": {name: file_digest(folder / name) for name in sorted(_relative_files(folder))},
        }
        with self.workspace() as workspace:
            if self.folder.exists():
                os.replace(self.folder, workspace / "replaced")  # noqa: PTH105  (one for both)
            os.replace(folder, self.folder)  # noqa: PTH105
            written = workspace / "record.json"
            written.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
            os.replace(written, self.record_path)  # noqa: PTH105

    def lock(self) -> AbstractContextManager[Any]:
        """Only one process or thread at a time fills an entry; others wait here."""
        from filelock import FileLock

        self.shelf.mkdir(parents=True, exist_ok=True)
        return FileLock(self.shelf / f".{self.key}.lock")

    @contextmanager
    def workspace(self) -> Iterator[Path]:
        """A temporary folder on the cache's disk, gone afterwards."""
        self.shelf.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{self.key}.", dir=self.shelf))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _record(self) -> dict[str, Any]:
        try:
            record = json.loads(self.record_path.read_text("utf-8"))
            if isinstance(record, dict) and isinstance(record["files"], dict):
                return record
        except (ValueError, KeyError):
            pass
        raise DigestError(f"{self.record_path} is damaged; remove it to get the model afresh")


def _relative_files(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }
