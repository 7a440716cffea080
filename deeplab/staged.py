"""A model that was put where workers find it: what their engine needs of it, as one archive.

The launcher makes it (:mod:`transforms.segmenting.staging`). Its name is its digest, which travels
with the job: what arrives is that, or an error.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from beam_deeplab.deeplab.derived_cache import derived_entry, load_or_make
from beam_deeplab.deeplab.zoo import DigestError, ModelNotFound, local_path, unpack_archive
from beam_deeplab.deeplab.zoo.cache import file_digest

Loaded = TypeVar("Loaded")


def pack_files(files: Mapping[str, bytes]) -> bytes:
    """A tar archive of files by name, without folders: the same bytes wherever it is made."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in sorted(files.items()):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


@dataclass(frozen=True, slots=True)
class StagedModel:
    """One archive and what it must be.

    Attributes:
        uri: A ``gs://`` path, or one of a file system that the workers share.
        sha256: Of its bytes, 64 hex digits.
        size: Its bytes.
    """

    uri: str
    sha256: str
    size: int

    @classmethod
    def of(cls, content: bytes, folder: str) -> StagedModel:
        """What an archive with this content is called in a folder."""
        sha256 = hashlib.sha256(content).hexdigest()
        return cls(f"{folder.rstrip('/')}/{sha256}.tar", sha256, len(content))

    def load(self, restore: Callable[[Path], Loaded]) -> Loaded:
        """What ``restore`` makes of the folder of unpacked files.

        Fetched once a machine, where its processes share a cache folder.

        Raises:
            ModelNotFound: It cannot be read.
            DigestError: It is not what was staged.
            ArchiveError: It is damaged.
        """
        entry = derived_entry("staged", self.sha256[:12], {"sha256": self.sha256})
        return load_or_make(entry, restore, self._fetch)

    def _fetch(self, folder: Path) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            archive = Path(scratch) / "model.tar"
            self._copy_to(archive)
            digest = file_digest(archive)
            if digest != self.sha256:
                raise DigestError(
                    f"{self.uri} has SHA-256 {digest}, and is not the model that was staged "
                    "there: remove it, and --resume stages it again"
                )
            unpack_archive(archive, folder)

    def _copy_to(self, archive: Path) -> None:
        path = local_path(self.uri)
        if path is None:
            from beam_deeplab.deeplab.zoo.gcs import fetch_object

            fetch_object(self.uri, self.size, archive)
            return
        try:
            source = path.open("rb")
        except OSError as error:
            raise ModelNotFound(f"cannot read {self.uri}: {error.strerror}") from error
        with source, archive.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
