"""An export whose process is killed, wherever: nothing half is taken for done, and it goes on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from beam_deeplab.deeplab.labels import VOC
from beam_deeplab.pipeline.cli import main
from beam_deeplab.transforms import storage
from tests import forking
from tests.exported_runs import random_label_map, write_run
from tests.gcs_emulator import Gcs
from tests.pipeline.test_export import content_of

pytest_plugins = ("tests.gcs_emulator",)

_DIES = """
import itertools, os, signal, sys
from beam_deeplab.pipeline.cli import main
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.storage import local

place, write, writes = int(sys.argv[1]), local.write_atomically, itertools.count()

def write_and_die(uri, data):
    if next(writes) == place:
        os.makedirs(os.path.dirname(uri), exist_ok=True)
        open(os.path.dirname(uri) + "/.x.0123456789abcdef.tmp", "wb").write(data[:10])
        os.kill(os.getpid(), signal.SIGKILL)
    write(uri, data)

local.write_atomically = write_and_die
main(sys.argv[2:])
"""
_FLAGS = ("--format=coco", "--panoptic", "--workers=1", "--quiet")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("run")
    images = {f"{n % 3}/{n}.jpg": random_label_map(20, 30, 21, seed=n) for n in range(12)}
    write_run(output, images, VOC, shard_size=3)
    return output


@pytest.fixture(scope="module")
def whole(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("whole")
    assert main(["export", str(run), "--output", str(output), *_FLAGS]) == 0
    return output


@pytest.mark.slow
def test_killed_at_any_write(run: Path, whole: Path, tmp_path: Path) -> None:
    """Its files are begun.json, 12 PNGs, some records, the two indexes, and export.json."""
    writes = len(content_of(whole)) + 2
    for place in (1, 4, 9, writes - 3, writes - 2, writes - 1):
        output = tmp_path / str(place)
        command = ["export", str(run), "--output", str(output), *_FLAGS]
        code = [sys.executable, "-c", _DIES, str(place), *command]
        done = forking.run(code)
        assert done.returncode == -9, done.stderr
        assert not (output / "export.json").exists()
        records = {
            path: path.stat().st_mtime_ns for path in (output / ".export").glob("part-*.json.gz")
        }
        assert records or place < writes - 3
        assert main(command) == 2
        assert main([*command, "--resume"]) == 0
        assert {path: path.stat().st_mtime_ns for path in records} == records
        assert content_of(output) == content_of(whole)


@pytest.mark.slow
def test_in_a_bucket(run: Path, whole: Path, gcs: Gcs) -> None:
    output = gcs.uri("exports/coco")
    command = ["export", str(run), "--output", output, *_FLAGS]
    assert main(command) == 0
    expected = content_of(whole)
    for path, content in expected.items():
        assert gcs.get(f"exports/coco/{path}") == content
    assert main(command) == 2
    gcs.put("exports/coco/own.txt", b"mine")
    assert main(["export", str(run), "--output", output, "--format=png", "--overwrite"]) == 0
    left = {uri.removeprefix(f"{output}/") for uri in storage.files_below(output)}
    assert not any(path.startswith("annotations/") for path in left)
    assert {"own.txt", "export.json", "id2label.json"} <= left
    assert sum(path.startswith("SegmentationClass/") for path in left) == 12
