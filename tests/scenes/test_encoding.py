"""Scenes as files: what our decoder sees is the scene, upright."""

from __future__ import annotations

from collections import Counter
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from beam_deeplab.deeplab.labels import SCENES
from beam_deeplab.scenes.composing import compose_scene, scene_rng
from beam_deeplab.scenes.encoding import FileKind, draw_file_kind, encode_picture, encode_truth
from beam_deeplab.transforms.decoding.decode import decode
from beam_deeplab.transforms.geometry import Canvas
from tests.corpus.writers import quadrants

CANVAS = Canvas(513, 513)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_jpeg_decodes_upright(orientation: int) -> None:
    picture = quadrants(48, 80)
    data = encode_picture(picture, FileKind(".jpg", 95, orientation))
    with Image.open(BytesIO(data)) as stored:
        assert stored.size == ((48, 80) if orientation >= 5 else (80, 48))
        assert stored.getexif().get(274, 1) == orientation
    decoded = decode(data, CANVAS).pixels
    assert decoded.shape == picture.shape
    assert np.abs(decoded.astype(int) - picture).mean() < 6


@pytest.mark.parametrize(("suffix", "error"), [(".jpg", 6), (".png", 0), (".webp", 6)])
def test_every_format_keeps_the_picture(suffix: str, error: float) -> None:
    image = compose_scene(0, 1).image
    decoded = decode(encode_picture(image, FileKind(suffix, 90)), CANVAS).pixels
    assert decoded.shape == image.shape
    assert np.abs(decoded.astype(int) - image).mean() <= error


def test_a_turned_scene_is_aligned_with_its_truth() -> None:
    """The edges of the truth lie where the picture of the emoji changes."""
    scene = compose_scene(3, 4)
    decoded = decode(encode_picture(scene.image, FileKind(".jpg", 95, 6)), CANVAS).pixels
    steps = np.abs(np.diff(decoded.astype(int), axis=1)).sum(axis=-1)
    edges = np.diff(scene.truth.astype(int), axis=1) != 0
    assert edges.any()
    assert steps[edges].mean() > 2.5 * steps[~edges].mean()


@given(hnp.arrays(np.uint8, st.tuples(*[st.integers(1, 40)] * 2), elements=st.integers(0, 6)))
def test_truth_is_an_indexed_png_of_the_ids_in_the_classes_colours(truth: np.ndarray) -> None:
    with Image.open(BytesIO(encode_truth(truth))) as stored:
        assert stored.format == "PNG"
        assert stored.mode == "P"
        np.testing.assert_array_equal(np.asarray(stored), truth)
        colours = np.asarray(stored.convert("RGB"))
    np.testing.assert_array_equal(colours, np.array(SCENES.palette, np.uint8)[truth])


def test_formats_are_mixed_and_only_jpeg_is_turned() -> None:
    kinds = [draw_file_kind(scene_rng(0, index, "test", 1)) for index in range(600)]
    suffixes = Counter(kind.suffix for kind in kinds)
    assert 300 < suffixes[".jpg"] < 420
    assert 80 < suffixes[".png"] < 160
    assert 80 < suffixes[".webp"] < 160
    assert {kind.quality for kind in kinds} == set(range(80, 96))
    turned = Counter(kind.suffix for kind in kinds if kind.orientation != 1)
    assert set(turned) == {".jpg"}
    assert 50 < turned[".jpg"] < 130
    assert {kind.orientation for kind in kinds} == set(range(1, 9))
