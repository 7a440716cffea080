"""Every kind of file that there is, good and broken, through the whole job."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from beam_deeplab.pipeline.cli import main
from tests.corpus import bad_files, good_files, write_corpus
from tests.test_end_to_end import rows_of


@pytest.fixture(scope="module")
def outputs(
    shared: Path, mobilenet_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """A run over photos and the corpus, and one over the same photos alone."""
    root = tmp_path_factory.mktemp("corpus")
    photos, mixed = root / "photos", root / "mixed"
    photos.mkdir()
    for photo in sorted((shared / "voc" / "JPEGImages").glob("2011*.jpg")):
        shutil.copy2(photo, photos)
    mixed.mkdir()
    write_corpus(mixed)
    common = ["--model", str(mobilenet_checkpoint), "--canvas", "129", "129", "--quiet"]
    # Named one by one, too: a pattern leaves out what has no image's suffix.
    named = [str(mixed / bad.name) for bad in bad_files()]
    every = [str(mixed / "*"), str(photos / "*"), *named]
    for name, inputs in (("all", every), ("alone", [str(photos / "*")])):
        arguments = ["segment", "--input", *inputs, "--output", str(root / name), *common]
        assert main([*arguments, "--max_failure_fraction=1"]) == 0
    return root / "all", root / "alone"


@pytest.mark.slow
def test_each_bad_file_is_one_failure_with_its_code(outputs: tuple[Path, Path]) -> None:
    rows = rows_of(outputs[0], "failures")
    assert {Path(row["image_uri"]).name: row["code"] for row in rows} == {
        bad.name: str(bad.code) for bad in bad_files()
    }
    assert len(rows) == len(bad_files())
    assert {row["stage"] for row in rows} == {"decode"}
    assert all(row["message"] and "\n" not in row["message"] for row in rows)


def test_each_good_file_has_a_mask_of_its_upright_size(outputs: tuple[Path, Path]) -> None:
    sizes = {
        Path(row["image_uri"]).name: (row["height"], row["width"])
        for row in rows_of(outputs[0], "masks")
    }
    for good in good_files():
        assert sizes.pop(good.name) == good.expected.shape[:2], good.name
    assert all(name.endswith(".jpg") for name in sizes)


def test_the_photos_beside_them_come_out_untouched(outputs: tuple[Path, Path]) -> None:
    mixed, alone = outputs
    for dataset in ("masks", "class_areas"):
        expected = rows_of(alone, dataset)
        photos = {row["image_uri"] for row in expected}
        assert len(photos) == 3
        assert [row for row in rows_of(mixed, dataset) if row["image_uri"] in photos] == expected
