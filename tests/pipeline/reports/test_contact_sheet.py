"""Contact sheets, as a picture and as a page."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from beam_deeplab.deeplab.labels import CITYSCAPES, SCENES, LabelSet
from beam_deeplab.pipeline.reports.contact_sheet import make_tiles, write_contact_sheet
from beam_deeplab.pipeline.reports.contact_sheet.drawing import draw_sheet, shares_text
from beam_deeplab.pipeline.reports.contact_sheet.page import sheet_page
from beam_deeplab.pipeline.reports.contact_sheet.tiles import Tiles
from beam_deeplab.scenes.composing import compose_scene
from beam_deeplab.scenes.encoding import FileKind, encode_picture, encode_truth
from beam_deeplab.transforms.decoding.decode import DecodingError
from beam_deeplab.transforms.masks.png import encode_label_map

PERSON, ANIMAL = 1, 2


def _picture(height: int, width: int, orientation: int = 1) -> bytes:
    pixels = np.full((height, width, 3), (200, 40, 40), np.uint8)
    return encode_picture(pixels, FileKind(".jpg", 95, orientation))


def _half_person(height: int = 300, width: int = 400) -> NDArray[np.uint8]:
    ids = np.zeros((height, width), np.uint8)
    ids[:, : width // 2] = PERSON
    ids[: height // 4, width // 2 :] = ANIMAL
    return ids


def _row(name: str = "a.jpg", score: float | None = 0.5) -> Tiles:
    mask = encode_label_map(_half_person(), SCENES.palette_bytes())
    return make_tiles(name, _picture(300, 400), mask, score, SCENES)


def _tiles(picture: bytes, ids: NDArray[np.uint8], labels: LabelSet = SCENES) -> Tiles:
    return make_tiles("a", picture, encode_truth(ids), None, labels)


def test_tiles_show_the_picture_upright_and_the_mask_in_its_colours() -> None:
    tiles = _tiles(_picture(300, 400, orientation=6), _half_person())
    assert tiles.picture.shape == tiles.mask.shape == tiles.overlay.shape == (144, 192, 3)
    assert tiles.mask[100, 10].tolist() == list(SCENES.palette[PERSON])
    assert tiles.mask[5, 190].tolist() == list(SCENES.palette[ANIMAL])
    assert tiles.mask[140, 190].tolist() == [0, 0, 0]
    assert dict(tiles.shares) == {PERSON: 0.5, ANIMAL: pytest.approx(0.125)}
    assert [label for label, _ in tiles.shares] == [PERSON, ANIMAL]
    dimmed = tiles.overlay[140, 190] / tiles.picture[140, 190]
    np.testing.assert_allclose(dimmed, 0.45, atol=0.02)
    covered = tiles.overlay[100, 10].astype(int) - 0.6 * np.array(SCENES.palette[PERSON])
    assert np.ptp(covered) <= 1


def test_without_a_background_class_every_class_is_covered_and_counted() -> None:
    ids = np.zeros((20, 20), np.uint8)
    tiles = _tiles(_picture(20, 20), ids, CITYSCAPES)
    assert tiles.shares == ((0, 1.0),)
    assert shares_text(tiles, CITYSCAPES) == "road 100%"
    expected = 0.6 * np.array(CITYSCAPES.palette[0])
    assert np.ptp(tiles.overlay[5, 5] - expected) <= 1


def test_a_mask_of_another_scale_lies_over_its_picture() -> None:
    scene = compose_scene(0, 3)
    data = encode_picture(scene.image, FileKind(".png", 90))
    tiles = _tiles(data, scene.truth)
    share = np.mean(tiles.mask.any(axis=-1))
    assert share == pytest.approx(np.mean(scene.truth > 0), abs=0.01)


def test_the_sheet_grows_with_its_rows_and_its_legend() -> None:
    tiles = _row()
    one, two, three = (draw_sheet([tiles] * n, SCENES, "title", "below") for n in (1, 2, 3))
    assert two.width > one.width
    assert two.height <= one.height
    assert three.width == two.width
    assert three.height > two.height
    many = LabelSet.from_dict([f"a class with a long name, {n}" for n in range(60)])
    assert draw_sheet([tiles], many, "title", "below").height > one.height + 100


def test_the_sheet_shows_the_tiles_and_the_legend_s_colours() -> None:
    tiles = _row()
    pixels = np.asarray(draw_sheet([tiles], SCENES, "title", "below"))
    for tile in (tiles.mask, tiles.overlay):
        found = np.all(pixels == tile[100, 10], axis=-1)
        assert found.sum() > 5000
    for colour in SCENES.palette:
        assert np.all(pixels == colour, axis=-1).sum() > 80


def test_more_than_three_classes_are_summed_up() -> None:
    ids = np.repeat(np.arange(7, dtype=np.uint8), 10)[None].repeat(10, axis=0)
    tiles = _tiles(_picture(10, 70), ids)
    assert shares_text(tiles, SCENES) == "person 14%, animal 14%, food 14%, 3 more"
    blank = _tiles(_picture(9, 9), ids[:9, :9] * 0)
    assert shares_text(blank, SCENES) == "background only"


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("img", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip() and "style" not in self.open:
            self.text.append(data.strip())


def test_the_page_needs_nothing_beside_it_and_escapes_names() -> None:
    name = '"><script>alert("x")</script>&amp;.jpg'
    tiles = [_row(name), _row("b.jpg", None)]
    text = sheet_page(tiles, SCENES, "<b>Title</b> $name", "a & b")
    page = _Page(text)
    assert not page.open
    assert "script" not in page.tags
    assert page.text[:4] == ["<b>Title</b> $name", "<b>Title</b> $name", "a & b", "background"]
    assert {name, "b.jpg", "IoU 0.500", "person 50%, animal 12%"} <= set(page.text)
    assert page.text.count("IoU 0.500") == 1
    assert len(page.sources) == 6
    for source, tile in zip(page.sources, 2 * ["picture", "mask", "overlay"], strict=True):
        found = re.fullmatch(r"data:image/(jpeg|png);base64,([\w+/=]+)", source)
        assert found
        with Image.open(BytesIO(base64.b64decode(found[2]))) as stored:
            shown = np.asarray(stored.convert("RGB")).astype(int)
        expected = getattr(tiles[0], tile)
        assert shown.shape == expected.shape
        assert np.abs(shown - expected).mean() <= (0 if tile == "mask" else 6)
    assert "http" not in text


def test_both_files_are_written_over_older_ones(tmp_path: Path) -> None:
    for name in ("contact_sheet.png", "contact_sheet.html"):
        (tmp_path / name).write_bytes(b"old")
    paths = write_contact_sheet(
        [_row(f"{n}.jpg") for n in range(3)], SCENES, tmp_path, title="Title", subtitle="below"
    )
    assert paths == (tmp_path / "contact_sheet.png", tmp_path / "contact_sheet.html")
    with Image.open(paths[0]) as sheet:
        assert sheet.format == "PNG"
        assert sheet.mode == "RGB"
    assert "2.jpg" in paths[1].read_text("utf-8")


def test_a_broken_picture_is_told_by_its_decoder() -> None:
    with pytest.raises(DecodingError, match="empty"):
        _tiles(b"", _half_person())
