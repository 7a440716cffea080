from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beam_deeplab.deeplab.derived_cache import code_digest, derived_entry, load_or_make
from beam_deeplab.deeplab.zoo.cache import CacheEntry

CONTENT = bytes(range(256)) * 3


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BEAM_DEEPLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def entry(**key: object) -> CacheEntry:
    return derived_entry("shelf", "name", {"weights": "a" * 64, **key})


class Maker:
    """Counts how often it had to make the content."""

    def __init__(self, content: bytes = CONTENT) -> None:
        self.content = content
        self.calls = 0

    def __call__(self, folder: Path) -> None:
        self.calls += 1
        (folder / "content").write_bytes(self.content)


def restore(folder: Path) -> bytes:
    return (folder / "content").read_bytes()


def load(place: CacheEntry, maker: Maker) -> bytes:
    return load_or_make(place, restore, maker)


def kept_file() -> Path:
    return entry().folder / "content"


def test_what_was_made_once_is_restored(cache: Path) -> None:
    maker = Maker()
    assert [load(entry(), maker) for _ in range(3)] == [CONTENT] * 3
    assert maker.calls == 1
    visible = {path for path in cache.rglob("*") if path.is_file() and path.name[0] != "."}
    assert visible == {kept_file(), entry().record_path}


def test_each_part_of_the_key_tells_entries_apart() -> None:
    places = [entry(), entry(stride=8), entry(stride=16), entry(canvas=[513, 513])]
    for number, place in enumerate(places):
        assert load(place, Maker(bytes([number]))) == bytes([number])
    assert len({place.folder for place in places}) == len(places)
    assert [load(place, Maker()) for place in places] == [b"\0", b"\1", b"\2", b"\3"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(position=st.integers(0, len(CONTENT) - 1), bit=st.integers(0, 7))
def test_one_flipped_bit_is_found_and_repaired(position: int, bit: int) -> None:
    load(entry(), Maker())
    stored = bytearray(CONTENT)
    stored[position] ^= 1 << bit
    kept_file().write_bytes(stored)
    maker = Maker()
    assert load(entry(), maker) == CONTENT
    assert maker.calls == 1
    assert kept_file().read_bytes() == CONTENT


@pytest.mark.parametrize("record", [b"", b"{}", b"[" * 100_000])
def test_a_damaged_record_is_repaired(record: bytes) -> None:
    load(entry(), Maker())
    entry().record_path.write_bytes(record)
    assert load(entry(), Maker()) == CONTENT
    assert entry().checked()


def test_content_that_cannot_be_restored_is_made_anew(caplog: pytest.LogCaptureFixture) -> None:
    load(entry(), Maker(b"{"))

    def strict(folder: Path) -> bytes:
        if restore(folder) == b"{":
            raise RuntimeError("unexpected end")
        return restore(folder)

    assert load_or_make(entry(), strict, Maker(b"{}")) == b"{}"
    assert "is damaged; it is made anew (unexpected end)" in caplog.text
    assert load(entry(), Maker()) == b"{}"


def test_what_making_raises_is_raised_and_nothing_is_kept() -> None:
    def make(folder: Path) -> None:
        raise LookupError("no weights")

    with pytest.raises(LookupError, match="no weights"):
        load_or_make(entry(), restore, make)
    assert load(entry(), Maker()) == CONTENT


def test_a_cache_that_cannot_be_written_costs_only_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("BEAM_DEEPLAB_CACHE", str(tmp_path / "file"))
    maker = Maker()
    assert load(entry(), maker) == load(entry(), maker) == CONTENT
    assert maker.calls == 2
    assert "BEAM_DEEPLAB_CACHE may name another folder" in caplog.text


@pytest.mark.parametrize("mode", [0o775, 0o777, 0o757])
@pytest.mark.parametrize("which", ["cache", "shelf", "folder", "file", "record"])
def test_what_others_could_have_written_is_made_anew(
    cache: Path, mode: int, which: str, caplog: pytest.LogCaptureFixture
) -> None:
    load(entry(), Maker(b"planted"))
    place = entry()
    places = {
        "cache": cache,
        "shelf": place.shelf,
        "folder": place.folder,
        "file": kept_file(),
        "record": place.record_path,
    }
    places[which].chmod(mode)
    maker = Maker()
    assert load(entry(), maker) == CONTENT
    assert maker.calls == 1
    assert "others can write" in caplog.text


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o000])
def test_entries_can_be_read_and_not_written_by_others(cache: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        load(entry(), Maker())
    finally:
        os.umask(before)
    assert cache.stat().st_mode & 0o777 == 0o755
    assert kept_file().parent.stat().st_mode & 0o777 == 0o755
    assert kept_file().stat().st_mode & 0o777 == 0o644
    maker = Maker()
    assert load(entry(), maker) == CONTENT
    assert maker.calls == 0


_PROCESS = """
import sys
from pathlib import Path
from beam_deeplab.deeplab.derived_cache import derived_entry, load_or_make
log = Path(sys.argv[1])
def make(folder):
    with log.open("a") as file:
        file.write("made\\n")
    (folder / "content").write_bytes(bytes(50_000_000))
sys.stdin.readline()
restore = lambda folder: (folder / "content").read_bytes()
entry = derived_entry("shelf", "name", {"weights": "b"})
assert load_or_make(entry, restore, make) == bytes(50_000_000)
"""


def test_processes_that_start_at_once_make_it_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    processes = [
        subprocess.Popen([sys.executable, "-c", _PROCESS, str(log)], stdin=subprocess.PIPE)
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    assert log.read_text() == "made\n"


def test_the_code_digest_follows_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "digested_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "network.py").write_text("LAYERS = 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    digests = []
    for name, source in [("network.py", "LAYERS = 4\n"), ("layers.py", ""), ("notes.txt", "x")]:
        importlib.invalidate_caches()
        code_digest.cache_clear()
        digests.append(code_digest("digested_package"))
        (package / name).write_text(source)
    code_digest.cache_clear()
    assert len(set(digests)) == 3
    assert code_digest("digested_package") == digests[-1], "a note is no code"
    assert code_digest("beam_deeplab.deeplab.architecture") != code_digest(
        "beam_deeplab.deeplab.checkpoints"
    )
