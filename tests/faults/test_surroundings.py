"""What a run needs and does not have: one clear line, the right exit code, nothing committed."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest

from beam_deeplab.pipeline.cli import main
from tests.faults.conftest import COLOUR_ENGINE, Job, ended, wait_until, write_pictures

IN_BATCHES_OF_8 = ["--canvas", "513", "513", "--shard_size=4"]

FAILED, USAGE, INTERRUPTED = 1, 2, 130


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "in", 12)


def _said(capfd: pytest.CaptureFixture[str]) -> str:
    """The one line on stderr."""
    lines = capfd.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.usefixtures("colour_engine", "pictures")
@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("/proc/out", "No such file"),
        ("/sys/kernel/out", "Permission denied|Operation not permitted|Read-only"),
        ("file/out", "is not a folder"),
        ("s3://bucket/out", "must be gs:// or a local folder"),
    ],
)
def test_an_output_that_cannot_be_written(
    output: str, words: str, job: Job, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    job.output = Path(output)
    arguments = job.arguments("--quiet")
    where = output if output.startswith(("/", "s3:")) else str(tmp_path / output)
    arguments[arguments.index("--output") + 1] = where
    assert main(arguments) == USAGE
    said = _said(capfd)
    assert where in said
    assert re.search(words, said)


@pytest.mark.usefixtures("colour_engine", "pictures")
@pytest.mark.parametrize("name", ["masks", "attempts", "run.json"])
def test_something_in_the_way(name: str, job: Job, capfd: pytest.CaptureFixture[str]) -> None:
    """A file where a folder has to be, or the other way round."""
    job.output.mkdir()
    path = job.output / name
    path.mkdir() if name == "run.json" else path.write_text("mine")
    assert job.main() in (FAILED, USAGE)
    assert str(path) in _said(capfd)
    assert not job.is_committed()
    assert path.is_dir() if name == "run.json" else path.read_text() == "mine"


@pytest.mark.slow
def test_a_full_disk(job: Job, pictures: Path) -> None:
    """Files of this process cannot grow beyond a size that the smallest parts just have."""
    full = job.run("--quiet", faults={**COLOUR_ENGINE, "fill_disk": {"limit": 3000}})
    assert full.code == FAILED
    assert "File too large" in full.line
    assert ".parquet" in full.line
    assert "--resume continues" in full.line
    assert not job.is_committed()
    assert not list(job.output.rglob("*.tmp"))
    done = job.run("--resume", "--quiet")
    assert done.code == 0, done.stderr
    job.assert_each_once(*(path.name for path in pictures.iterdir()))


@pytest.mark.usefixtures("colour_engine", "pictures")
def test_a_model_that_is_not_there(
    job: Job, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    job.model = tmp_path / "no" / "model"
    assert job.main() == USAGE
    assert str(job.model) in _said(capfd)
    assert not job.output.exists()


@pytest.mark.usefixtures("colour_engine")
def test_no_input_matches(job: Job, capfd: pytest.CaptureFixture[str]) -> None:
    assert job.main() == USAGE
    said = _said(capfd)
    assert job.inputs[0] in said
    assert "no image matches" in said
    assert not job.output.exists()


@pytest.mark.usefixtures("colour_engine", "pictures")
@pytest.mark.parametrize("committed", [True, False])
def test_a_run_with_another_fingerprint(
    committed: bool, job: Job, capfd: pytest.CaptureFixture[str]
) -> None:
    assert job.main() == 0
    if not committed:
        (job.output / "manifest.json").unlink()
    before = {path: path.read_bytes() for path in job.output.rglob("*") if path.is_file()}
    job.flags = ["--canvas", "65", "33", "--max_pixels=1000000"]
    assert job.main("--resume") == USAGE
    said = _said(capfd)
    assert "canvas was [33, 33], is [65, 33]" in said
    assert re.search(r"max_pixels was \d+, is 1000000", said)
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.usefixtures("colour_engine", "pictures")
@pytest.mark.parametrize("content", ["", '{"run_id": "1', '{"format_version": 2}', "[1, 2]"])
@pytest.mark.parametrize("flag", ["--resume", "--overwrite"])
def test_a_damaged_run_record(
    flag: str, content: str, job: Job, capfd: pytest.CaptureFixture[str]
) -> None:
    job.output.mkdir()
    (job.output / "run.json").write_text(content)
    assert job.main(flag) == USAGE
    said = _said(capfd)
    assert str(job.output) in said
    assert "run.json is not a file of beam-deeplab" in said
    assert [path.name for path in job.output.iterdir()] == ["run.json"]


@pytest.mark.slow
@pytest.mark.usefixtures("colour_engine", "pictures")
def test_a_damaged_manifest_does_not_keep_a_resume_from_a_new_one(job: Job) -> None:
    assert job.main() == 0
    (job.output / "manifest.json").write_text("{")
    assert job.main("--resume") == 0
    assert job.manifest().counts["skipped"] == 12


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 3])
def test_an_interrupt_says_that_resume_continues_and_it_does(
    workers: int, job: Job, pictures: Path
) -> None:
    job.flags = [*IN_BATCHES_OF_8, f"--direct_num_workers={workers}"]
    process = job.start("--quiet", faults={**COLOUR_ENGINE, "halt_after": {"images": 1}})
    with ended(process):
        wait_until(lambda: len(job.names("masks")) >= 4, process)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED
    assert stderr.strip() == ("beam-deeplab: interrupted; the same command with --resume continues")
    assert json.loads((job.output / "run.json").read_bytes())
    assert not job.is_committed()
    standing = set(job.names("masks"))

    refused = job.run("--quiet")
    assert refused.code == USAGE
    assert "--resume" in refused.line
    done = job.run("--resume", "--quiet")
    assert done.code == 0, done.stderr
    job.assert_each_once(*(path.name for path in pictures.iterdir()))
    assert job.manifest().counts["skipped"] >= len(standing)


@pytest.mark.slow
def test_an_interrupted_resume_holds_no_image_for_fatal(job: Job, pictures: Path) -> None:
    """A second interrupt, while images are run one at a time to find what killed the first run."""
    job.flags = [*IN_BATCHES_OF_8, "--direct_num_workers=1"]
    for number, flag in enumerate(("--max_failure_fraction=0", "--resume")):
        sign = pictures.parent / f"halted-{number}"
        halt = {"halt_after": {"images": 1 - number, "sign": str(sign)}}
        process = job.start("--quiet", flag, faults={**COLOUR_ENGINE, **halt})
        with ended(process):
            wait_until(sign.exists, process)
            assert len(list(job.output.glob("attempts/*.open-*"))) == number
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
        assert process.returncode == INTERRUPTED
    done = job.run("--resume", "--quiet")
    assert done.code == 0, done.stderr
    assert job.codes() == {}
    job.assert_each_once(*(path.name for path in pictures.iterdir()))
