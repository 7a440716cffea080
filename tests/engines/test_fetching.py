"""What cannot be fetched says why, in one line; what stands is not fetched again."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.engines import fetching
from tests.engines.fetching import FetchError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, and no programs but those that it writes."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("BEAM_DEEPLAB_ENGINES", str(tmp_path / "cache"))
    return tmp_path


def _program(name: str, script: str, cache: Path) -> None:
    path = cache / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_without_go_and_maven(cache: Path) -> None:
    with pytest.raises(FetchError, match=r"^go is not on PATH$"):
        fetching.prism()
    _program("java", "exit 0", cache)
    with pytest.raises(FetchError, match=r"^mvn is not on PATH$"):
        fetching.flink()


def test_without_a_network_nothing_half_is_left(cache: Path) -> None:
    _program("go", ': > "$GOBIN/prism"; echo "go: dial tcp: no such host" >&2; exit 1', cache)
    with pytest.raises(FetchError, match=r"^go: go: dial tcp: no such host$"):
        fetching.prism()
    assert [path.suffix for path in (cache / "cache").iterdir()] == [".lock"]


def test_what_stands_is_taken(cache: Path) -> None:
    _program("go", 'echo built > "$GOBIN/prism"', cache)
    first = fetching.prism()
    (cache / "bin" / "go").write_text("#!/bin/sh\nexit 1\n")
    assert fetching.prism() == first
    assert first.read_text() == "built\n"


def test_the_job_server_s_jar_names_all_others(cache: Path) -> None:
    _program("java", "exit 0", cache)
    names = [f"a-jar-with-quite-a-long-name-{number:03}.jar" for number in range(40)]
    touch = "; ".join(f': > "$folder/{name}"' for name in names)
    find = 'for each in "$@"; do case $each in -DoutputDirectory=*) folder=${each#*=};; esac; done'
    _program("mvn", f"{find}; {touch}", cache)
    jar = fetching.flink()
    with zipfile.ZipFile(jar) as opened:
        manifest = opened.read("META-INF/MANIFEST.MF").decode()
    assert max(len(line.encode()) for line in manifest.splitlines()) <= 72
    unfolded = dict(line.split(": ") for line in manifest.replace("\n ", "").splitlines())
    assert unfolded["Class-Path"].split() == names
    assert "java.base/java.lang" in unfolded["Add-Opens"].split()
