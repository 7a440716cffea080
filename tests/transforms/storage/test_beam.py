"""Other schemes: read through Beam, and a clear line for what that cannot do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.storage import StoredFile
from tests.rows import list_images

OLD = b"old" * 1000
NEW = b"new" * 2000


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that Beam knows as ``vault://``, as a plug-in would register it."""
    from apache_beam.io.filesystem import FileMetadata
    from apache_beam.io.localfilesystem import LocalFileSystem

    root = tmp_path_factory.mktemp("vault")

    class VaultFileSystem(LocalFileSystem):
        @classmethod
        def scheme(cls) -> str:
            return "vault"

        def _local(self, uri: str) -> str:
            return str(root / uri.removeprefix("vault://"))

        def has_dirs(self) -> bool:
            return False

        def _list(self, uri: str) -> Iterator[FileMetadata]:
            folder = uri if uri.endswith("/") else f"{uri}/"
            for found in super()._list(self._local(folder)):
                yield self.metadata(f"vault://{found.path.removeprefix(f'{root}/')}")

        def metadata(self, uri: str) -> FileMetadata:
            found = super().metadata(self._local(uri))
            return FileMetadata(uri, found.size_in_bytes, found.last_updated_in_seconds)

        def _path_open(self, uri: str, *arguments: object, **options: object) -> object:
            return super()._path_open(self._local(uri), *arguments, **options)

        def exists(self, uri: str) -> bool:
            return bool(super().exists(self._local(uri)))

    root.joinpath("photos").mkdir()
    yield root
    del VaultFileSystem  # until here: plug-ins are found for as long as they live


def test_other_schemes_can_be_read(vault: Path) -> None:
    (vault / "photos" / "a.jpg").write_bytes(OLD)
    uri = "vault://photos/a.jpg"
    assert storage.read(uri) == OLD
    assert storage.exists(uri)
    assert storage.list_folder("vault://photos") == [StoredFile("a.jpg", len(OLD))]
    (found,) = storage.versions([uri])
    version = found.version
    assert found.size == len(OLD)
    assert storage.read_version(uri, version) == (OLD, version)
    (vault / "photos" / "a.jpg").write_bytes(NEW)
    with pytest.raises(storage.ChangedError):
        storage.read_version(uri, version)
    with pytest.raises(FileNotFoundError):
        storage.read("vault://photos/missing.jpg")
    assert storage.versions(["vault://photos/missing.jpg"]) == [storage.FileVersion()]


def test_other_schemes_say_why_they_cannot_be_written(vault: Path) -> None:
    for operation in (
        lambda: storage.write_atomically("vault://out/part", OLD),
        lambda: storage.create_if_absent("vault://out/part", OLD),
        lambda: storage.check_writable("vault://out"),
        lambda: storage.delete("vault://out/part"),
    ):
        with pytest.raises(OSError, match="must be gs:// or a local folder") as caught:
            operation()
        assert caught.value.errno == errno.EOPNOTSUPP


def test_an_unknown_scheme_is_told() -> None:
    with pytest.raises(OSError, match="Beam has no file system for ftp://"):
        storage.read("ftp://host/a.jpg")


def test_other_schemes_can_be_listed(vault: Path) -> None:
    for name in ("x.jpg", "deep/y.JPG", "deep/.z.jpg", "notes.md"):
        (vault / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (vault / "tree" / name).write_bytes(OLD)
    (vault / "tree" / "list.txt").write_text("x.jpg\nmissing.jpg\n")

    def listed(pattern: str) -> list[str]:
        refs = list(list_images(f"vault://tree/{pattern}"))
        assert all(bool(ref.version) is ("missing" not in ref.uri) for ref in refs)
        return [ref.uri.removeprefix("vault://tree/") for ref in refs]

    assert listed("*.jpg") == ["x.jpg"]
    assert listed("**/*.[jJ]*") == ["deep/y.JPG", "x.jpg"]
    assert listed("") == ["deep/y.JPG", "x.jpg"]
    assert listed("missing.jpg") == ["missing.jpg"]
    assert listed("list.txt") == ["x.jpg", "missing.jpg"]
