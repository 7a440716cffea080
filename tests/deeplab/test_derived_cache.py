from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beam_deeplab.deeplab.derived_cache import DerivedEntry, code_digest

CONTENT = bytes(range(256)) * 3


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BEAM_DEEPLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def entry(**key: object) -> DerivedEntry:
    return DerivedEntry("shelf", "name", {"weights": "a" * 64, **key})


class Maker:
    """Counts how often it had to make the content."""

    def __init__(self, content: bytes = CONTENT) -> None:
        self.content = content
        self.calls = 0

    def __call__(self) -> tuple[str, bytes]:
        self.calls += 1
        return self.content.hex(), self.content


def load(place: DerivedEntry, maker: Maker) -> str:
    return place.load_or_make(bytes.hex, maker)


def test_what_was_made_once_is_restored(cache: Path) -> None:
    maker = Maker()
    assert [load(entry(), maker) for _ in range(3)] == [CONTENT.hex()] * 3
    assert maker.calls == 1
    visible = [path for path in cache.rglob("*") if path.is_file() and path.name[0] != "."]
    assert visible == [entry().path]


def test_an_empty_content_counts() -> None:
    maker = Maker(b"")
    assert load(entry(), maker) == load(entry(), maker) == ""
    assert maker.calls == 1


def test_each_part_of_the_key_tells_entries_apart() -> None:
    places = [entry(), entry(precision="f32"), entry(precision="bf16"), entry(canvas=[513, 513])]
    for number, place in enumerate(places):
        assert load(place, Maker(bytes([number]))) == f"{number:02x}"
    assert len({place.path for place in places}) == len(places)
    assert [place.read() for place in places] == [b"\0", b"\1", b"\2", b"\3"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(position=st.integers(0, 64 + len(CONTENT) - 1), bit=st.integers(0, 7))
def test_one_flipped_bit_is_found_and_repaired(position: int, bit: int) -> None:
    load(entry(), Maker())
    stored = bytearray(entry().path.read_bytes())
    stored[position] ^= 1 << bit
    entry().path.write_bytes(stored)
    maker = Maker()
    assert load(entry(), maker) == CONTENT.hex()
    assert maker.calls == 1
    assert entry().read() == CONTENT


@pytest.mark.parametrize("length", [0, 1, 63, 64, 65, 64 + len(CONTENT) - 1])
def test_a_truncated_entry_is_repaired(length: int) -> None:
    load(entry(), Maker())
    entry().path.write_bytes(entry().path.read_bytes()[:length])
    assert load(entry(), Maker()) == CONTENT.hex()
    assert entry().read() == CONTENT


def test_an_entry_moved_under_another_key_is_not_believed() -> None:
    load(entry(precision="bf16"), Maker(b"bf16"))
    entry(precision="bf16").path.rename(entry(precision="f32").path)
    maker = Maker(b"f32")
    assert load(entry(precision="f32"), maker) == b"f32".hex()
    assert maker.calls == 1


def test_content_that_cannot_be_restored_is_made_anew(caplog: pytest.LogCaptureFixture) -> None:
    load(entry(), Maker(b"{"))
    made = entry().load_or_make(json.loads, lambda: ({"a": 1}, b'{"a": 1}'))
    assert made == {"a": 1} == entry().load_or_make(json.loads, lambda: (None, b""))
    assert "cannot be used; it is made anew" in caplog.text


def test_what_making_raises_is_raised_and_nothing_is_kept() -> None:
    def make() -> tuple[str, bytes]:
        raise LookupError("no weights")

    with pytest.raises(LookupError, match="no weights"):
        entry().load_or_make(bytes.hex, make)
    assert load(entry(), Maker()) == CONTENT.hex()


def test_a_cache_that_cannot_be_written_costs_only_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("BEAM_DEEPLAB_CACHE", str(tmp_path / "file"))
    maker = Maker()
    assert load(entry(), maker) == load(entry(), maker) == CONTENT.hex()
    assert maker.calls == 2
    assert "BEAM_DEEPLAB_CACHE may name another folder" in caplog.text


_PROCESS = """
import sys
from pathlib import Path
from beam_deeplab.deeplab.derived_cache import DerivedEntry
log = Path(sys.argv[1])
def make():
    with log.open("a") as file:
        file.write("made\\n")
    content = bytes(50_000_000)
    return content, content
sys.stdin.readline()
content = DerivedEntry("shelf", "name", {"weights": "b"}).load_or_make(bytes, make)
assert content == bytes(50_000_000)
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


def test_entries_follow_the_umask() -> None:
    before = os.umask(0o022)
    try:
        load(entry(), Maker())
    finally:
        os.umask(before)
    assert entry().path.stat().st_mode & 0o777 == 0o644


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
