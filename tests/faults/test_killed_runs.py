"""A run killed at half and resumed is the undisturbed run, and costs hardly more."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from tests.faults.conftest import Job, ended, wait_until

IMAGES = 300
SHARD_SIZE = 10


@pytest.fixture(scope="module")
def photos(voc_photos: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pieces of real photos."""
    folder = tmp_path_factory.mktemp("photos")
    for number in range(IMAGES):
        with Image.open(voc_photos[number % len(voc_photos)]) as photo:
            left, top = 7 * (number // len(voc_photos)), 5 * (number // len(voc_photos))
            piece = photo.crop((left, top, left + 200, top + 150 + number % 9))
            piece.save(folder / f"{number:04}.jpg")
    return folder


def _job(photos: Path, output: Path, model: Path) -> Job:
    flags = ["--canvas", "257", "257", f"--shard_size={SHARD_SIZE}", "--quiet"]
    return Job([str(photos / "*.jpg")], output, model, flags)


@pytest.fixture(scope="module")
def undisturbed(
    photos: Path, mobilenet_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> Job:
    job = _job(photos, tmp_path_factory.mktemp("undisturbed") / "out", mobilenet_checkpoint)
    done = job.run(faults={})
    assert done.code == 0, done.stderr
    assert job.manifest().counts["masks"] == IMAGES
    return job


@pytest.mark.slow
def test_a_run_killed_at_half_and_resumed_equals_an_undisturbed_one(
    photos: Path, undisturbed: Job, mobilenet_checkpoint: Path, tmp_path: Path
) -> None:
    job = _job(photos, tmp_path / "out", mobilenet_checkpoint)
    log = {"log_inferred": {"log": str(tmp_path / "inferred.txt")}}
    halt = {"halt_after": {"images": IMAGES // 2}}
    process = job.start("--direct_num_workers=2", faults={**log, **halt})
    with ended(process):
        masks = IMAGES // 2 - SHARD_SIZE
        wait_until(lambda: len(job.names("masks")) >= masks, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL
    assert not job.is_committed()
    finished = Counter(job.names("masks"))
    shards = {path.name for path in job.output.glob("masks/part-*")}
    standing = {path: part for path, part in job.parts().items() if Path(path).name in shards}
    in_flight = len(list((job.output / "attempts").glob("*.begun")))
    assert 0 < in_flight < IMAGES / SHARD_SIZE / 2

    done = job.run("--resume", "--direct_num_workers=2", faults=log)
    assert done.code == 0, done.stderr
    assert job.manifest().counts["skipped"] == len(finished)
    assert {path: job.parts()[path] for path in standing} == standing
    for dataset in ("masks", "class_areas", "failures"):
        assert job.rows(dataset) == undisturbed.rows(dataset)
    inferred = Counter(Path(uri).name for uri in (tmp_path / "inferred.txt").read_text().split())
    assert len(inferred) == IMAGES
    assert inferred.total() <= IMAGES + in_flight * SHARD_SIZE
    assert {inferred[name] for name in finished} == {1}
