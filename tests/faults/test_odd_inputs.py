"""Inputs as people name them: one line's fault is not the run's, and what was named is counted."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beam_deeplab.transforms.records import LeftOut
from tests.faults.conftest import Job, write_picture, write_pictures

ODD = [
    "https://example.invalid/b.jpg", "ftp://host/a.jpg", "s3://bucket/a.jpg", "gs:///a.jpg",
    "gs://", "data:image/png;base64,AAAA", "missing.jpg", "a\tb\x07.jpg", "../in", "\x1b[31m.jpg",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["txt", "csv", "parquet"])
def test_lines_that_can_name_no_image_are_failures_wherever_they_stand(
    kind: str, job: Job, tmp_path: Path, colour_engine: pytest.MonkeyPatch
) -> None:
    """Beyond the lines that a launch looks at too, where a run had begun."""
    good = write_pictures(tmp_path / "in", 3)
    lines = [*[f"{good}/0000.png"] * 10_000, *ODD, f"{good}/0001.png", f"{good}/0002.png"]
    file = tmp_path / "list" / f"list.{kind}"
    file.parent.mkdir()
    if kind == "parquet":
        pq.write_table(pa.table({"image_uri": [*lines, None, ""]}), file)
    elif kind == "csv":
        file.write_text("image_uri,x\n" + "".join(f"{line},1\n" for line in lines) + ",1\n  ,1\n")
    else:
        file.write_bytes("\n".join(lines).encode() + b"\ncaf\xe9.jpg\n\xed\xa0\x80.jpg\n")
    job.inputs, job.flags = [str(file)], ["--canvas", "33", "33"]
    assert job.main("--max_failure_fraction=1") == 0
    counts = job.manifest().counts
    assert (counts["masks"], counts["failures"]) == (3, len(ODD) + 2)
    assert counts["duplicates"] == 9_999
    assert sorted(job.names("masks")) == ["0000.png", "0001.png", "0002.png"]
    assert set(job.codes().values()) <= {"NOT_FOUND", "READ_ERROR"}
    assert job.main("--resume", "--max_failure_fraction=1") == 0
    assert job.manifest().counts["skipped"] == 3


@pytest.mark.slow
def test_what_is_left_out_stands_in_the_manifest_and_in_one_line(
    job: Job, tmp_path: Path, colour_engine: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_pictures(tmp_path / "in", 2)
    for name in ("0000.png.json", "a.xmp", "b.xmp", "Thumbs.db", ".DS_Store", "._0000.png"):
        (folder / name).write_bytes(b"x")
    job.inputs, job.output = [f"{folder}/**"], folder / "deep" / "out"
    for flags in ([], ["--resume"], ["--resume"]):
        assert job.main(*flags) == 0
        job.assert_each_once("0000.png", "0001.png")
        assert job.manifest().left_out == (
            LeftOut(f"{folder}/**", ".db", 1),
            LeftOut(f"{folder}/**", ".json", 1),
            LeftOut(f"{folder}/**", ".xmp", 2),
            LeftOut(f"{folder}/**", "hidden", 2),
        )
    capsys.readouterr()
    from beam_deeplab.pipeline.cli import main

    assert main(job.arguments("--resume")) == 0
    assert "6 files left out: 2 .xmp, 2 hidden, 1 .db, 1 .json\n" in capsys.readouterr().err


def test_a_pattern_that_matches_nothing_beside_others_is_refused(
    job: Job, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_pictures(tmp_path / "in", 1)
    for odd in (f"{tmp_path}/typo/*.png", f"{folder}/*.{{jpg,gif}}", f"{folder}/[a-z]*.png"):
        job.inputs = [str(folder), odd]
        assert job.main() == 2
        assert "--input" in capsys.readouterr().err
        assert not job.output.exists()
    job.inputs = [str(folder), ""]
    with pytest.raises(SystemExit) as ended:
        job.main()
    assert ended.value.code == 2
    assert "argument --input: is empty" in capsys.readouterr().err


def test_one_image_in_many_spellings_is_one_image(
    job: Job, tmp_path: Path, colour_engine: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_pictures(tmp_path / "in", 1)
    write_picture(folder / "#b.png", 2)
    write_picture(folder / "c.png", 3)
    (folder / "c.png").rename(folder / " c.png ")
    (tmp_path / "ls.txt").write_text(
        f"in/#b.png\nin/ c.png \n./in/0000.png\nfile://{folder}/0000.png\n"
        f"{folder}/../in//0000.png\n"
    )
    monkeypatch.chdir(tmp_path)
    job.inputs = ["ls.txt", "./in//*.png", "in/0000.png", f"file://{folder}/0000.png"]
    assert job.main() == 0
    job.assert_each_once("0000.png", "#b.png", " c.png ")
    assert job.manifest().counts["duplicates"] == 6


def test_a_file_larger_than_any_memory_is_one_failure(
    job: Job, tmp_path: Path, colour_engine: pytest.MonkeyPatch
) -> None:
    folder = write_pictures(tmp_path / "in", 6)
    with (folder / "enormous.png").open("wb") as file:
        os.truncate(file.fileno(), 200 * 10**9)
    assert job.main("--max_failure_fraction=1") == 0
    job.assert_each_once(*(f"{number:04}.png" for number in range(6)), "enormous.png")
    assert job.codes() == {"enormous.png": "TOO_LARGE"}
    size = (folder / "0000.png").stat().st_size
    assert job.main("--resume", "--max_failure_fraction=1", f"--max_file_bytes={size - 1}") == 0
    assert job.codes()["enormous.png"] == "TOO_LARGE"
    (row,) = job.rows("failures")
    assert row["message"].startswith("has 200,000,000,000 bytes, more than the")
