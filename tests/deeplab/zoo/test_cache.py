"""Cache entries: complete or absent, and guarded by digests."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from beam_deeplab.deeplab.zoo import DigestError, cache_folder
from beam_deeplab.deeplab.zoo import cache as cache_module
from beam_deeplab.deeplab.zoo.cache import CacheEntry, file_digest


@pytest.fixture
def entry(tmp_path: Path) -> CacheEntry:
    """An installed entry of two files."""
    entry = CacheEntry(tmp_path / "cache" / "zoo", "model-1.0")
    install(entry, {"a.index": b"index", "more/b.json": b"{}"})
    return entry


def install(entry: CacheEntry, files: dict[str, bytes]) -> None:
    with entry.workspace() as workspace:
        folder = workspace / "content"
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        entry.install(folder, source="https://example.org/a.tar.gz", archive_digest="ab" * 32)


def test_folder_is_named_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEAM_DEEPLAB_CACHE", str(tmp_path / "models"))
    assert cache_folder() == tmp_path / "models"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("BEAM_DEEPLAB_CACHE", "~/weights")
    assert cache_folder() == tmp_path / "weights"
    monkeypatch.delenv("BEAM_DEEPLAB_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder().name == "beam-deeplab"


def test_installed_entry_is_complete_recorded_and_clean(entry: CacheEntry) -> None:
    assert entry.is_complete()
    assert entry.checked() == entry.folder
    assert entry.archive_digest() == "ab" * 32
    record = json.loads(entry.record_path.read_text())
    assert record["source"] == "https://example.org/a.tar.gz"
    assert record["files"]["a.index"] == file_digest(entry.folder / "a.index")
    assert {path.name for path in entry.shelf.iterdir()} == {"model-1.0", "model-1.0.json"}


def test_half_an_entry_is_not_complete(entry: CacheEntry) -> None:
    entry.record_path.unlink()
    assert not entry.is_complete()
    assert entry.archive_digest() is None


def test_folder_without_record_is_replaced(entry: CacheEntry) -> None:
    entry.record_path.unlink()
    install(entry, {"c.pb": b"graph"})
    assert [path.name for path in entry.checked().iterdir()] == ["c.pb"]


@pytest.mark.parametrize("content", [b"other", b"indey", b""])
def test_changed_file_is_found(entry: CacheEntry, content: bytes) -> None:
    (entry.folder / "a.index").write_bytes(content)
    with pytest.raises(DigestError, match=r"a\.index is not what it was") as caught:
        entry.checked()
    assert f"remove {entry.folder} to" in str(caught.value)


def test_missing_and_added_files_are_found(entry: CacheEntry) -> None:
    (entry.folder / "b.index").write_bytes(b"")
    with pytest.raises(DigestError, match=r"b\.index was added to"):
        entry.checked()
    (entry.folder / "b.index").unlink()
    (entry.folder / ".DS_Store").write_bytes(b"")
    entry.checked()
    (entry.folder / "more" / "b.json").unlink()
    with pytest.raises(DigestError, match=r"more/b\.json is missing from"):
        entry.checked()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": 3}', "\x00"])
def test_damaged_record_is_one_line(entry: CacheEntry, text: str) -> None:
    entry.record_path.write_text(text)
    with pytest.raises(DigestError, match="is damaged; remove it") as caught:
        entry.checked()
    assert "\n" not in str(caught.value)


@pytest.fixture
def no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user without a home, whose temporary files go to a folder of the test."""
    for variable in ("HOME", "XDG_CACHE_HOME", "BEAM_DEEPLAB_CACHE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    # As where the password file does not know the user.
    monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])
    cache_module._temporary_folder.cache_clear()
    yield tmp_path
    cache_module._temporary_folder.cache_clear()


def test_a_user_without_a_home_has_a_temporary_folder_of_his_own(no_home: Path) -> None:
    folder = cache_folder()
    assert folder == no_home / f"beam-deeplab-{os.geteuid()}" == cache_folder()
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("home", ["/nonexistent", "/proc"])
def test_a_home_that_cannot_be_written_is_none(
    no_home: Path, monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    monkeypatch.setenv("HOME", home)
    monkeypatch.setattr("os.access", lambda path, mode: str(path).startswith(str(no_home)))
    assert cache_folder().parent == no_home


@pytest.mark.parametrize("mode", [0o777, 0o755])
def test_a_temporary_folder_that_others_can_write_or_made_is_not_taken(
    no_home: Path, mode: int
) -> None:
    taken = no_home / f"beam-deeplab-{os.geteuid()}"
    if mode == 0o777:
        taken.mkdir()
        taken.chmod(mode)
    else:
        (no_home / "elsewhere").mkdir()
        taken.symlink_to(no_home / "elsewhere")
    folder = cache_folder()
    assert folder != taken
    assert folder.parent == no_home
    assert folder.stat().st_mode & 0o777 == 0o700
    assert cache_folder() == folder


def test_a_name_with_a_tilde_needs_no_home(no_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEAM_DEEPLAB_CACHE", "~nobody-here/weights")
    assert cache_folder().is_absolute()
