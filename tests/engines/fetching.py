"""Fetches, once for all, what the engines of these tests are made of: ``make engines``.

Prism and Beam's boot program by Go, Flink and Beam's job server for it by Maven, into the folder
that ``BEAM_DEEPLAB_ENGINES`` names, by default one of the user's cache. Processes that fetch at
once wait for each other, and what stands is whole.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import apache_beam
import platformdirs
from filelock import FileLock

POM: Final = Path(__file__).with_name("flink-pom.xml")

_SECONDS: Final = 1800
"""For one of the fetches; together they take about 10 minutes where nothing is cached."""

_GO_MODULE: Final = "github.com/apache/beam/sdks/v2"

OPENED: Final = tuple(
    f"java.base/{package}"
    for package in (
        *(f"java.{name}" for name in ("io", "lang", "net", "nio", "text", "time", "util")),
        *(f"java.lang.{name}" for name in ("invoke", "reflect")),
        *(f"java.util.{name}" for name in ("concurrent", "regex")),
        *(f"java.util.concurrent.{name}" for name in ("atomic", "locks")),
        *(f"sun.{name}" for name in ("net.util", "nio.ch")),
    )
)
"""Packages that Flink looks into."""


class FetchError(Exception):
    """An engine cannot be had; the message is one line that says why."""


def prism() -> Path:
    """The binary of Beam's local runner Prism.

    Raises:
        FetchError: It cannot be had.
    """
    return _go_program("go/cmd/prism", "prism")


def boot() -> Path:
    """The program that starts Beam's Python workers, in their images and elsewhere.

    Raises:
        FetchError: It cannot be had.
    """
    return _go_program("python/container", "container")


def flink() -> Path:
    """An executable JAR that is Beam's job server for Flink, and names all the JARs of a cluster.

    Raises:
        FetchError: It cannot be had.
    """
    _require("java", "mvn")
    digest = hashlib.sha256(POM.read_bytes()).hexdigest()[:12]
    return _once(f"flink-{digest}", _fetch_flink) / "flink.jar"


def _require(*programs: str) -> None:
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        raise FetchError(f"{' and '.join(missing)} is not on PATH")


def _go_program(package: str, name: str) -> Path:
    _require("go")
    version = f"v{apache_beam.__version__}"

    def fetch(folder: Path) -> None:
        package_version = f"{_GO_MODULE}/{package}@{version}"
        _run(["go", "install", package_version], folder, {"GOBIN": str(folder)})

    return _once(f"{name}-{version}", fetch) / name


def _fetch_flink(folder: Path) -> None:
    copy = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder}"]
    _run(["mvn", "--batch-mode", "--quiet", "--file", str(POM), *copy], folder)
    jars = sorted(path.name for path in folder.glob("*.jar"))
    manifest = {
        "Manifest-Version": "1.0",
        "Main-Class": "org.apache.beam.runners.flink.FlinkJobServerDriver",
        "Add-Opens": " ".join(OPENED),
        "Class-Path": " ".join(jars),
    }
    with zipfile.ZipFile(folder / "flink.jar", "w") as jar:
        lines = "".join(f"{name}: {value}\n" for name, value in manifest.items())
        jar.writestr("META-INF/MANIFEST.MF", _wrapped(lines))


def _wrapped(manifest: str) -> str:
    """A manifest's lines have at most 72 bytes; a space continues one."""
    lines = []
    for line in manifest.splitlines():
        lines.append(line[:70])
        lines += [f" {line[start : start + 69]}" for start in range(70, len(line), 69)]
    return "\n".join(lines) + "\n"


def _once(name: str, fetch: Callable[[Path], None]) -> Path:
    """A folder that is fetched unless it stands."""
    root = Path(
        os.environ.get("BEAM_DEEPLAB_ENGINES")
        or platformdirs.user_cache_path("beam-deeplab") / "engines"
    )
    root.mkdir(parents=True, exist_ok=True)
    folder = root / name
    with FileLock(root / f"{name}.lock"):
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=root) as scratch:
                made = Path(scratch, name)
                made.mkdir()
                fetch(made)
                made.rename(folder)
    return folder


def _run(command: Sequence[str], folder: Path, variables: dict[str, str] | None = None) -> None:
    try:
        subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **(variables or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise FetchError(f"{command[0]}: took more than {_SECONDS} s") from error
    except subprocess.CalledProcessError as error:
        said = [line for line in str(error.stdout).splitlines() if line.strip()] or ["failed"]
        reason = next((line for line in said if "ERROR" in line), said[-1])
        raise FetchError(f"{command[0]}: {reason}") from error


if __name__ == "__main__":
    for fetch in (prism, boot, flink):
        try:
            print(fetch())
        except FetchError as error:
            sys.exit(f"{fetch.__name__}: {error}")
