"""Averaging over scales and mirror images, beside the official way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from beam_deeplab.deeplab.engines import load_engine
from beam_deeplab.deeplab.engines.aligned_resize import resize_aligned
from beam_deeplab.deeplab.engines.multi_scale import (
    GRID_STRIDE,
    MultiScaleEngine,
    log_of_mean,
    to_common_grid,
)
from beam_deeplab.deeplab.engines.scales import OFFICIAL_SCALES
from beam_deeplab.deeplab.models import inspect_model
from beam_deeplab.deeplab.softmax import softmax
from beam_deeplab.transforms.geometry import Canvas
from beam_deeplab.transforms.masks.areas import class_areas, label_sums
from beam_deeplab.transforms.masks.boundaries import boundary_runs
from beam_deeplab.transforms.masks.cells import cell_grid
from beam_deeplab.transforms.masks.label_maps import label_map
from beam_deeplab.transforms.records import DecodedImage, ImageRef, Original
from beam_deeplab.transforms.segmenting.inference import assemble_batch
from benchmarks.engine import pixels_of
from benchmarks.official_scales import OfficialScales
from tests.direct_evaluation import confidences
from tests.networks import random_images

Array = NDArray[np.float32]

CANVAS = (33, 49)
STRIDE = 16


class PointEngine:
    """A network that sees one pixel a grid point; counts what it is asked."""

    def __init__(self, size: tuple[int, int], classes: int = 4) -> None:
        self.size = size
        self.batches: list[int] = []
        self.closed = False
        self._weights = np.random.default_rng(0).normal(0, 4, (3, classes)).astype(np.float32)

    def __call__(self, images: Array) -> Array:
        assert images.shape[1:3] == self.size
        self.batches.append(len(images))
        return images[:, ::STRIDE, ::STRIDE] @ self._weights

    def close(self) -> None:
        self.closed = True


def _averaging(*scales: float, flip: bool = False) -> tuple[MultiScaleEngine, list[PointEngine]]:
    loaded: list[PointEngine] = []

    def load(size: tuple[int, int]) -> PointEngine:
        loaded.append(PointEngine(size))
        return loaded[-1]

    return MultiScaleEngine(load, CANVAS, STRIDE, scales, flip=flip), loaded


@given(
    seed=st.integers(0, 2**32 - 1),
    spread=st.sampled_from([0.1, 10.0, 1e4]),
    count=st.integers(1, 12),
)
def test_the_mean_of_probabilities_is_that_of_float64(seed: int, spread: float, count: int) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, spread, (count, 1, 3, 2, 5)).astype(np.float32)
    total: Array = sum(map(softmax, logits), start=np.zeros_like(logits[0]))
    mean = log_of_mean(total, count)
    assert mean.dtype == np.float32
    assert np.isfinite(mean).all()
    assert mean.max() <= 1e-6
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    expected = (powers / powers.sum(axis=-1, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(np.exp(mean.astype(np.float64)), expected, rtol=1e-3, atol=1e-6)


def test_one_plain_scale_keeps_the_order_and_the_distances_of_logits() -> None:
    images = random_images(2, *CANVAS)
    averaging, (engine,) = _averaging(1.0)
    answer, logits = averaging(images), engine(images)
    coarse = answer[:, :: STRIDE // GRID_STRIDE, :: STRIDE // GRID_STRIDE]
    np.testing.assert_allclose(
        coarse - coarse[..., :1], logits - logits[..., :1], atol=1e-4, rtol=0
    )
    np.testing.assert_allclose(np.exp(coarse).sum(axis=-1), 1, atol=1e-5)


def test_every_scale_is_asked_once_and_twice_with_mirror_images() -> None:
    images = random_images(3, *CANVAS)
    averaging, engines = _averaging(0.5, 1.0, 2.0, flip=True)
    averaging(images)
    assert [engine.size for engine in engines] == [(17, 33), (33, 49), (65, 97)]
    assert [engine.batches for engine in engines] == [[3, 3]] * 3
    averaging.close()
    assert all(engine.closed for engine in engines)


def test_scales_of_the_same_size_share_an_engine_and_both_count() -> None:
    images = random_images(1, *CANVAS)
    averaging, engines = _averaging(0.5, 1.0, 1.01)
    assert [engine.size for engine in engines] == [(17, 33), CANVAS]
    small, plain = (
        softmax(to_common_grid(engine(part), engine.size, CANVAS))
        for engine, part in zip(engines, (resize_aligned(images, (17, 33)), images), strict=True)
    )
    expected = (small + 2 * plain) / 3
    np.testing.assert_allclose(np.exp(averaging(images)), expected, atol=1e-6)


def test_a_mirrored_canvas_gets_the_mirrored_answer() -> None:
    images = random_images(2, *CANVAS)
    mirrored = np.ascontiguousarray(images[:, :, ::-1])
    plain, _ = _averaging(1.0, flip=True)
    np.testing.assert_array_equal(plain(mirrored), plain(images)[:, :, ::-1])
    several, _ = _averaging(0.5, 1.0, 1.75, flip=True)
    np.testing.assert_allclose(several(mirrored), several(images)[:, :, ::-1], atol=1e-3)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_at_one_scale_stays_so_and_costs_its_image_only(value: float) -> None:
    images = random_images(3, *CANVAS)
    averaging, _ = _averaging(0.5, 1.0, flip=True)
    sound = averaging(images)

    class Broken(PointEngine):
        def __call__(self, images: Array) -> Array:
            logits = super().__call__(images)
            logits[1, 0, 1, 2] = value
            return logits

    averaging = MultiScaleEngine(
        lambda size: (Broken if size == (17, 33) else PointEngine)(size),
        CANVAS,
        STRIDE,
        (0.5, 1.0),
        flip=True,
    )
    answer = averaging(images)
    assert not np.isfinite(answer[1]).any()
    np.testing.assert_array_equal(answer[[0, 2]], sound[[0, 2]])


def test_logits_finer_than_the_common_grid_keep_their_points() -> None:
    logits = random_images(1, 33, 33)
    assert to_common_grid(logits, (65, 65), (65, 65)) is logits
    assert to_common_grid(random_images(1, 5, 5), (65, 65), (65, 65)).shape[1:3] == (17, 17)


@pytest.mark.slow
def test_labels_and_confidences_are_those_of_the_official_way(
    mobilenet_checkpoint: Path, voc_photos: list[Path]
) -> None:
    model = inspect_model(str(mobilenet_checkpoint))
    averaging = MultiScaleEngine(
        lambda size: load_engine(model, size, 16, "openvino"),
        (513, 513),
        16,
        OFFICIAL_SCALES,
        flip=True,
    )
    reference = OfficialScales(model, 16)
    equal, total = 0, 0
    for photo in voc_photos[:1]:
        pixels = pixels_of(photo)
        height, width, _ = pixels.shape
        size = (height, width)
        picture = DecodedImage(ImageRef(photo.name), pixels, Original(height, width))
        (logits,) = averaging(assemble_batch([picture], Canvas(513, 513)))
        labels = label_map(logits, GRID_STRIDE, size, size)
        probabilities = reference.probabilities(pixels, OFFICIAL_SCALES, flip=True)
        official = probabilities.argmax(axis=2)
        equal += int((labels == official).sum())
        total += labels.size
        grid = cell_grid(logits, GRID_STRIDE, size, size)
        sums = label_sums(grid, boundary_runs(grid))
        areas = class_areas(sums, labels.size, model.labels.names)
        own = confidences(logits, labels, GRID_STRIDE, size, size)
        for area in areas:
            inside = labels == area.class_id
            mean = float(probabilities[inside][:, area.class_id].mean())
            assert area.mean_confidence == pytest.approx(own[area.class_id], abs=1e-5)
            assert area.mean_confidence == pytest.approx(mean, abs=0.01)
    averaging.close()
    assert equal / total >= 0.995
