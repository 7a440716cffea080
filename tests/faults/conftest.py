"""Pictures, a small model, and the program as a process of its own or within the test's."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.dataset as ds
import pytest
from PIL import Image

from beam_deeplab.pipeline.cli import main
from beam_deeplab.transforms.parquet.schemas import DATASETS
from beam_deeplab.transforms.runs.manifest import Manifest
from tests.faults.injections import use_colour_engine
from tests.forking import Forked

REPOSITORY = Path(__file__).parents[2]
COLOUR_ENGINE: Mapping[str, Any] = {"use_colour_engine": {}}
DEADLINE = 400


def write_picture(path: Path, seed: int, first_pixel: tuple[int, int, int] | None = None) -> None:
    """A small PNG of a content of its own."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (20 + seed % 7, 30 - seed % 5, 3), np.uint8)
    pixels[0, 0] = first_pixel or (1, 2, 3)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write_pictures(folder: Path, count: int) -> Path:
    for number in range(count):
        write_picture(folder / f"{number:04}.png", number)
    return folder


@dataclass
class Job:
    """One output and the flags that all its runs share."""

    inputs: list[str]
    output: Path
    model: Path
    flags: list[str] = field(default_factory=lambda: ["--canvas", "33", "33", "--shard_size=4"])

    def arguments(self, *flags: str) -> list[str]:
        paths = ["--output", str(self.output), "--model", str(self.model)]
        return ["segment", "--input", *self.inputs, *paths, *self.flags, *flags]

    def start(
        self, *flags: str, faults: Mapping[str, Any] = COLOUR_ENGINE
    ) -> subprocess.Popen[str]:
        """The program as a process of its own, with faults."""
        command = [sys.executable, "-m", "tests.faults.program", json.dumps(faults)]
        return Forked(
            [*command, *self.arguments(*flags)],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def run(self, *flags: str, faults: Mapping[str, Any] = COLOUR_ENGINE) -> Done:
        with self.start(*flags, faults=faults) as process:
            stdout, stderr = process.communicate(timeout=DEADLINE)
        return Done(process.returncode, stdout, stderr)

    def main(self, *flags: str) -> int:
        """The program within this process."""
        return main(self.arguments("--quiet", *flags))

    def manifest(self) -> Manifest:
        return Manifest.from_json((self.output / "manifest.json").read_bytes())

    def is_committed(self) -> bool:
        return (self.output / "manifest.json").exists()

    def rows(self, dataset: str) -> list[dict[str, Any]]:
        """Rows without the column ``shard``, by image and class."""
        files = [str(path) for path in self.output.glob(f"{dataset}/*.parquet")]
        rows = ds.dataset(files, format="parquet").to_table().to_pylist() if files else []
        for row in rows:
            row.pop("shard", None)
        return sorted(rows, key=lambda row: (row["image_uri"], row.get("class_id", 0)))

    def names(self, dataset: str) -> list[str]:
        """File names of a dataset's images, one a row."""
        return [Path(row["image_uri"]).name for row in self.rows(dataset)]

    def codes(self) -> dict[str, str]:
        return {Path(row["image_uri"]).name: row["code"] for row in self.rows("failures")}

    def assert_each_once(self, *names: str) -> None:
        """Committed, and globs over masks and failures show just these images, once."""
        shown = Counter(self.names("masks") + self.names("failures"))
        assert shown == Counter(names)
        counts = self.manifest().counts
        assert counts["total_masks"] == len(self.names("masks"))
        assert counts["total_failures"] == len(self.names("failures"))
        assert set(self.names("class_areas")) == set(self.names("masks"))
        assert sorted(self.names("images")) == sorted(names)

    def parts(self) -> dict[str, tuple[int, int, bytes]]:
        """Identity, time and content of every shard's part that stands."""
        return {
            str(path.relative_to(self.output)): (
                path.stat().st_ino,
                path.stat().st_mtime_ns,
                path.read_bytes(),
            )
            for dataset in DATASETS
            for path in self.output.glob(f"{dataset}/part-*.parquet")
        }


@dataclass(frozen=True)
class Done:
    """How a process ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def line(self) -> str:
        """The one line that it said on stderr."""
        lines = self.stderr.strip().splitlines()
        assert len(lines) == 1, self.stderr
        return lines[0]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network of random weights and four classes."""
    from beam_deeplab.deeplab.architecture import DeepLabConfig
    from beam_deeplab.deeplab.architecture.builder import build_network
    from beam_deeplab.deeplab.checkpoints.own import save_network
    from beam_deeplab.deeplab.labels import LabelSet
    from tests.networks import set_random_weights

    config = DeepLabConfig("mobilenet_v2", num_classes=4, depth_multiplier=0.35, channel_divisor=8)
    network = build_network(config)
    set_random_weights(network)
    folder = tmp_path_factory.mktemp("model")
    labels = LabelSet.from_dict(["background", "ant", "bee", "cat"], name="animals")
    save_network(network, config, folder, labels, (513, 513))
    return folder


@pytest.fixture
def job(tmp_path: Path, model: Path) -> Job:
    """Runs over the PNG files of ``tmp_path / "in"``, which is empty yet."""
    (tmp_path / "in").mkdir(exist_ok=True)
    return Job([str(tmp_path / "in" / "*.png")], tmp_path / "out", model)


@pytest.fixture
def colour_engine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Runs within this process need no network."""
    use_colour_engine(monkeypatch)
    return monkeypatch


@contextlib.contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Kills a process at the end, whatever the test found."""
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        # Not read to their end: what the process has started may still hold them.
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


@pytest.fixture(autouse=True)
def interrupts_reach_programs() -> Iterator[None]:
    """What a shell runs in its background ignores interrupts, and so would all that it starts."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def wait_until(condition: Any, process: subprocess.Popen[str]) -> None:
    """Returns once a condition holds; fails if the process ends first, or after a deadline."""
    import time

    deadline = time.monotonic() + DEADLINE
    while not condition():
        if process.poll() is not None:
            pytest.fail(f"ended with {process.returncode}: {process.communicate()[1]}")
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.01)


def touched(path: Path, seconds: int) -> None:
    """Gives a file a time of its own, so that two contents of one size are two versions."""
    os.utime(path, (seconds, seconds))
