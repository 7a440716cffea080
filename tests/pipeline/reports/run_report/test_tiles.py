"""Pictures and masks as tiles, and what stands there where one of them is gone."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from beam_deeplab.deeplab.truth import TruthRule
from beam_deeplab.pipeline.reports.run_report.tiles import Tile, Truths, link_to, make_tiles
from beam_deeplab.transforms.masks.png import encode_label_map
from beam_deeplab.transforms.records import ImageRef, LabelledRef
from tests.committed_runs import LABELS, random_images, write_photos, write_run

IMAGES = random_images(9)
SHOWN = ("000.png", "004.png", "008.png")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    write_photos(tmp_path / "photos", IMAGES)
    write_run(tmp_path / "run", tmp_path / "photos", IMAGES)
    return tmp_path / "photos"


def tiles_of(photos: Path, truths: Truths | None = None) -> dict[str, Tile]:
    run = str(photos.parent / "run")
    tiles = make_tiles(run, LABELS, [f"{photos}/{name}" for name in SHOWN], truths, (run, LABELS))
    return {tile.image_uri.rpartition("/")[2]: tile for tile in tiles}


def pixels(uri: str) -> NDArray[np.uint8]:
    data = base64.b64decode(uri.partition("base64,")[2])
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGB"))


def test_a_tile_shows_picture_mask_and_both(photos: Path) -> None:
    tiles = tiles_of(photos)
    assert tiles.keys() == set(SHOWN)
    for name, tile in tiles.items():
        image = IMAGES[name]
        picture, mask, overlay = map(pixels, (tile.picture, tile.mask, tile.overlay))
        assert picture.shape == mask.shape == overlay.shape == (tile.height, tile.width, 3)
        assert max(mask.shape) == 256
        assert tile.before == tile.mask
        np.testing.assert_allclose(picture.mean(axis=(0, 1)), (180, 170, 160), atol=3)
        shares = dict(tile.shares)
        for label, color in enumerate(LABELS.palette):
            expected = image.fractions()[label]
            assert shares.get(label, 0) == pytest.approx(expected)
            assert np.all(mask == color, axis=-1).mean() == pytest.approx(expected, abs=0.03)
        dark = np.all(mask == 0, axis=-1)
        assert overlay[dark].mean() == pytest.approx(0.45 * 170, abs=4)
        assert list(shares.values()) == sorted(shares.values(), reverse=True)


def test_the_truth_stands_beside_the_mask(photos: Path) -> None:
    name = SHOWN[1]
    truth = photos.parent / name
    known = np.full_like(IMAGES[name].labels, 2)
    truth.write_bytes(encode_label_map(known, LABELS.palette_bytes()))
    uri = f"{photos}/{name}"
    refs = {uri: LabelledRef(uri, "", ImageRef(str(truth)))}
    tiles = tiles_of(photos, Truths(refs, TruthRule(LABELS)))
    assert np.all(pixels(tiles[name].truth) == LABELS.palette[2])
    assert not tiles[SHOWN[0]].truth
    assert tiles[name].labels == {2, *np.unique(IMAGES[name].labels).tolist()}
    truth.unlink()
    gone = tiles_of(photos, Truths(refs, TruthRule(LABELS)))[name]
    assert gone.picture
    assert not gone.truth
    assert "truth can no longer be shown: NOT_FOUND" in gone.problem


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "NOT_FOUND"), (b"other", "CHANGED")],
    ids=["gone", "changed"],
)
def test_an_image_that_is_not_there_any_more_has_its_mask(
    photos: Path, content: bytes | None, words: str
) -> None:
    name = SHOWN[0]
    (photos / name).unlink()
    if content:
        (photos / name).write_bytes(content)
    tile = tiles_of(photos)[name]
    assert tile.mask
    assert not tile.picture
    assert not tile.overlay
    assert f"can no longer be shown: {words}" in tile.problem


def test_links_are_what_a_browser_opens() -> None:
    assert link_to("gs://b/a folder/x#1.jpg") == (
        "https://storage.cloud.google.com/b/a%20folder/x%231.jpg"
    )
    assert link_to("/photos/a b.jpg") == link_to("file:///photos/a%20b.jpg")
    assert link_to("/photos/a b.jpg") == "file:///photos/a%20b.jpg"
    assert link_to("s3://b/x.jpg") == link_to("javascript://alert(1)") == ""
