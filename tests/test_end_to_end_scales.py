"""The program at several scales and with mirror images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from beam_deeplab.pipeline.cli import main
from tests.test_end_to_end import masks_of, rows_of

AVERAGED = ("--eval_scales", "1.0", "0.5", "--flip")


def _segment(checkpoint: Path, photos: Path, output: Path, *flags: str) -> int:
    arguments = ["--input", str(photos), "--output", str(output), "--model", str(checkpoint)]
    return main(["segment", *arguments, "--quiet", *flags])


@pytest.fixture(scope="module")
def photos(shared: Path) -> Path:
    """Three photos."""
    return shared / "voc" / "JPEGImages" / "2008_00[27]*.jpg"


@pytest.fixture(scope="module")
def averaged(
    mobilenet_checkpoint: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    output = tmp_path_factory.mktemp("averaged") / "out"
    assert _segment(mobilenet_checkpoint, photos, output, *AVERAGED) == 0
    return output


@pytest.mark.slow
def test_it_is_recorded_and_changes_some_labels(
    averaged: Path, mobilenet_checkpoint: Path, photos: Path, tmp_path: Path
) -> None:
    assert _segment(mobilenet_checkpoint, photos, tmp_path / "plain") == 0
    runs = [
        json.loads((output / "run.json").read_bytes()) for output in (averaged, tmp_path / "plain")
    ]
    assert [run["options"]["eval_scales"] for run in runs] == [[0.5, 1.0], [1.0]]
    assert [run["options"]["flip"] for run in runs] == [True, False]
    assert runs[0]["fingerprint"] != runs[1]["fingerprint"]
    masks, plain = masks_of(averaged), masks_of(tmp_path / "plain")
    assert len(masks) == 3
    for name, mask in masks.items():
        assert mask.shape == plain[name].shape
        assert 0.9 < (mask == plain[name]).mean() < 1
    for row in rows_of(averaged, "class_areas"):
        assert 0 < row["mean_confidence"] <= 1
        assert row["pixels"] == (masks[Path(row["image_uri"]).stem] == row["class_id"]).sum()


def test_threads_and_batches_change_nothing(
    averaged: Path, mobilenet_checkpoint: Path, photos: Path, tmp_path: Path
) -> None:
    flags = ("--workers", "2", "--shard_size", "1")
    assert _segment(mobilenet_checkpoint, photos, tmp_path / "out", *AVERAGED, *flags) == 0
    for dataset in ("masks", "class_areas"):
        assert rows_of(tmp_path / "out", dataset) == rows_of(averaged, dataset)


def test_resuming_takes_the_same_scales_in_any_order_and_no_others(
    averaged: Path, mobilenet_checkpoint: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _segment(mobilenet_checkpoint, photos, averaged, *AVERAGED, "--resume") == 0
    for flags, words in (
        (("--eval_scales", "0.5", "0.75", "--flip"), "eval_scales was [0.5, 1.0], is [0.5, 0.75]"),
        (("--eval_scales", "0.5", "1.0"), "flip was True, is False"),
    ):
        assert _segment(mobilenet_checkpoint, photos, averaged, *flags, "--resume") == 2
        *_, line = capsys.readouterr().err.strip().splitlines()  # behind what is guessed
        assert words in line


def test_a_mirrored_picture_that_fills_the_canvas_gets_the_mirrored_mask(
    mobilenet_checkpoint: Path, voc_photos: list[Path], tmp_path: Path
) -> None:
    from PIL import Image

    folder = tmp_path / "photos"
    folder.mkdir()
    with Image.open(voc_photos[0]) as photo:
        square = photo.crop((0, 0, 257, 257))
        square.save(folder / "a.png")
        square.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "b.png")
    flags = ("--canvas", "257", "257", *AVERAGED)
    assert _segment(mobilenet_checkpoint, folder / "*.png", tmp_path / "out", *flags) == 0
    masks = masks_of(tmp_path / "out")
    assert (masks["b"] == np.fliplr(masks["a"])).mean() > 0.9995
