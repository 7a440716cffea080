"""The dry run: counts and checks as the run would, and leaves no trace."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from rich.filesize import decimal

from beam_deeplab.pipeline.cli import main
from beam_deeplab.pipeline.dry_run import (
    count_inputs,
    describe_output,
    dry_run,
    peak_memory,
    unfinished,
)
from beam_deeplab.pipeline.options import NetworkOptions, SegmentOptions, UsageError
from beam_deeplab.pipeline.workers import Machines
from beam_deeplab.transforms.geometry import Canvas
from beam_deeplab.transforms.records import ImageRef
from beam_deeplab.transforms.runs.sharding import Sharding
from beam_deeplab.transforms.runs.writing import write_shard
from beam_deeplab.transforms.segmenting.handler import Recipe
from tests.gcs_emulator import Gcs
from tests.pipeline.test_job import MODEL
from tests.plans import plan_shards
from tests.rows import FACTS, shard_rows

pytest_plugins = ("tests.gcs_emulator",)

HERE = Machines(here=True, count=1, cores=1, threads=1)


def _tree(folder: Path) -> Mapping[str, tuple[int, int]]:
    """Everything below a folder, with size and time."""
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
    }


def _cells(text: str) -> dict[str, str]:
    """The rows of a printed table of two columns."""
    rows = [line.split("│")[1:3] for line in text.splitlines() if "│" in line]
    return {name.strip(): value.strip() for name, value in rows if name.strip()}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (folder / name).write_bytes(b"a photo")
    return folder


def test_inputs_are_counted_once_each(photos: Path, tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text(f"{photos}/b.jpg\n{photos}/missing.jpg\n")
    inputs = count_inputs([str(photos), str(photos / "*.jpg"), str(listed)])
    names = [Path(ref.uri).name for ref in inputs.refs]
    assert names == ["a.jpg", "b.jpg", "c.jpg", "missing.jpg"]
    assert inputs.duplicates == 4


def _bad_list(folder: Path) -> str:
    path = folder / "list.csv"
    path.write_text("uri\na.jpg\n")
    return str(path)


def _cut_off_list(folder: Path) -> str:
    path = folder / "list.parquet"
    path.write_bytes(b"PAR1")
    return str(path)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (_bad_list, "list.csv.*image_uri"),
        (_cut_off_list, "list.parquet"),
        (lambda folder: "nowhere://bucket/*.jpg", "nowhere://"),
    ],
)
def test_inputs_that_cannot_be_listed_are_one_line(
    photos: Path,
    tmp_path: Path,
    pattern: object,
    words: str,
) -> None:
    assert callable(pattern)
    options = SegmentOptions(
        (str(photos), pattern(tmp_path)), str(tmp_path / "out"), NetworkOptions("m")
    )
    before = _tree(tmp_path)
    with pytest.raises(UsageError, match=words) as raised:
        dry_run(options, Recipe(MODEL, Canvas(513, 513)), HERE)
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith("--input")
    assert _tree(tmp_path) == before


def test_an_output_says_what_it_holds(tmp_path: Path) -> None:
    output = tmp_path / "out"
    assert describe_output(str(output)) == "can be written, holds no run"
    assert not output.exists()
    output.mkdir()
    (output / "run.json").write_text("{}")
    assert describe_output(str(output)) == "holds a run that was not committed"
    (output / "manifest.json").write_text("{}")
    assert describe_output(str(output)) == "holds a committed run"


def test_an_output_that_cannot_be_written_is_one_line(photos: Path) -> None:
    with pytest.raises(UsageError, match=r"--output: .*a\.jpg"):
        describe_output(str(photos / "a.jpg" / "out"))


def test_a_model_that_has_gone_is_one_line(photos: Path, tmp_path: Path) -> None:
    options = SegmentOptions((str(photos),), str(tmp_path / "out"), NetworkOptions("m"))
    with pytest.raises(UsageError, match=r"--model: .*nowhere") as raised:
        dry_run(options, Recipe(MODEL, Canvas(513, 513)), HERE)
    assert "\n" not in str(raised.value)


def test_what_a_resume_would_do_is_found_without_touching_the_output(tmp_path: Path) -> None:
    refs = [ImageRef(f"{name}.jpg", "1") for name in "abcdef"]
    first, second = plan_shards(refs, (), "print", Sharding(3)).shards
    list(write_shard(str(tmp_path), first.id, shard_rows(first, failed=["b.jpg"]), FACTS))
    list(write_shard(str(tmp_path), second.id, shard_rows(second), FACTS))
    (tmp_path / "masks" / f"part-{second.id}.parquet").unlink()
    before = _tree(tmp_path)
    now = [*refs[:2], ImageRef("c.jpg", "2"), *refs[3:], ImageRef("g.jpg", "1")]
    assert [ref.uri[0] for ref in unfinished(str(tmp_path), now)] == ["b", "c", "d", "e", "f", "g"]
    assert _tree(tmp_path) == before


def test_peak_memory_is_in_bytes() -> None:
    """NumPy and Beam are loaded: some tens of megabytes at the least."""
    peak = peak_memory()
    assert peak is not None
    assert 2**25 < peak < 2**40


@pytest.mark.slow
def test_a_dry_run_measures_estimates_and_leaves_no_trace(
    mobilenet_checkpoint: Path,
    voc_photos: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    photos = tmp_path / "photos.txt"
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 and no more")
    photos.write_text("\n".join(map(str, [*voc_photos[:6], voc_photos[0], broken])))
    output = str(tmp_path / "out")
    flags = ["--input", str(photos), "--output", output, "--model", str(mobilenet_checkpoint)]
    before = _tree(tmp_path)
    assert main(["segment", *flags, "--dry_run"]) == 0
    assert _tree(tmp_path) == before

    captured = capsys.readouterr()
    assert "Dry run: nothing was written" in captured.out
    table = _cells(captured.out)
    assert table["images"] == "7"
    assert table["duplicates"] == "1"
    assert table["output"] == f"{output}: can be written, holds no run"
    assert table["measured here"] == "on 7 images"
    assert table["sample failures"] == "1 (CORRUPT 1)"
    for stage in ("reading, decoding", "inference", "mask"):
        assert float(table[stage].removesuffix(" s an image")) > 0
    assert table["estimated"] == "from 6 masks"
    assert " s for 7 images with " in table["time"]
    estimate = table["masks"]

    assert main(["segment", *flags, "--max_failure_fraction", "1", "--quiet"]) == 0
    masks = pq.read_table(f"{output}/masks").column("mask").to_pylist()
    assert estimate == decimal(sum(len(mask["bytes"]) for mask in masks))
    before = _tree(tmp_path)
    assert main(["segment", *flags, "--dry_run", "--resume"]) == 0
    assert _tree(tmp_path) == before
    table = _cells(capsys.readouterr().out)
    assert table["finished before"] == "6"
    assert table["output"] == f"{output}: holds a committed run"
    assert table["measured here"] == "on 1 image"
    assert table["estimated"] == "nothing: no sampled image came to a mask"


def test_a_dry_run_says_what_is_averaged(
    mobilenet_checkpoint: Path,
    voc_photos: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    flags = ["--input", str(voc_photos[0]), "--output", str(tmp_path / "out")]
    network = ["--model", str(mobilenet_checkpoint), "--canvas", "257", "257"]
    scales = ["--eval_scales", "1", "0.5", "--flip"]
    assert main(["segment", *flags, *network, *scales, "--dry_run"]) == 0
    table = _cells(capsys.readouterr().out)
    assert table["averaged"] == "scales 0.5, 1, with mirror images"
    assert table["estimated"] == "from 1 mask"


@pytest.fixture
def remote_flags(
    gcs_service_account: Gcs, voc_photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """A job for Dataflow over two photos."""
    monkeypatch.setenv("COLUMNS", "250")
    for photo in voc_photos[:2]:
        gcs_service_account.put(f"photos/{photo.name}", photo.read_bytes())
    return gcs_service_account.dataflow_job("--max_num_workers=4", "--dry_run")


def test_a_remote_run_is_estimated_in_workers_hours_bytes_and_money(
    remote_flags: list[str],
    gcs_service_account: Gcs,
    voc_photos: list[Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    flags = ["--machine_type=n1-standard-8", "--price_per_hour=3600000"]
    assert main([*remote_flags, *flags]) == 0
    table = _cells(capsys.readouterr().out)
    assert table["each worker"] == "n1-standard-8 of 8 cores"
    assert table["time"].endswith("for 2 images with 4 workers")
    hours = float(table["worker hours"].removesuffix(", without their starts"))
    cost, _, price = table["cost"].partition(" at ")
    assert price == "3.6e+06 an hour and machine"
    assert float(cost.replace(",", "")) == pytest.approx(hours * 3.6e6, rel=0.01)
    assert table["to be read"] == decimal(sum(photo.stat().st_size for photo in voc_photos[:2]))
    assert not gcs_service_account.count("upload", "masks/run.json")
    assert gcs_service_account.get("tmp/models") is None


def test_a_gpu_that_is_not_here_is_not_guessed(
    remote_flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    gpu = "--accelerator=type:nvidia-l4;count:1;install-nvidia-driver"
    assert main([*remote_flags, gpu, "--machine_type=g2-standard-4"]) == 0
    table = _cells(capsys.readouterr().out)
    assert table["each worker"] == "g2-standard-4 of 4 cores, with nvidia-l4"
    assert table["inference"] == "not measured: this machine has no nvidia-l4"
    assert table["worker hours"].startswith("at least ")
    assert "cost" not in table


def test_a_price_that_nobody_asks_for_is_refused(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [f"--input={photos}", f"--output={tmp_path / 'out'}", "--model=emoji_scenes"]
    for asked, words in ((["--price_per_hour=1"], "--dry_run"), (["--price_per_hour=-1"], "price")):
        with contextlib.suppress(SystemExit):
            assert main(["segment", *flags, *asked]) == 2
        assert words in capsys.readouterr().err
