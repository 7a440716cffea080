"""Label maps against the direct evaluation in float64, and against the official graph."""

from __future__ import annotations

import io
import itertools
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from beam_deeplab.transforms.geometry import Canvas, fit_size
from beam_deeplab.transforms.masks.label_maps import label_map, segment_logits
from beam_deeplab.transforms.records import ImageRef, LogitsGrid, Original, ShardSlot
from tests.direct_evaluation import assert_labels_are_winners, confidences, interpolated
from tests.placed_logits import PlacedLogits, placed_logits

PALETTE = bytes(range(256)) * 3


def random_logits(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def smooth_logits(rows: int, columns: int, classes: int, seed: int = 0) -> NDArray[np.float32]:
    """Logits as a network gives them: areas of several cells, one class far ahead of the rest."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0, 1, (classes, 2))
    y, x = np.mgrid[0 : 1 : rows * 1j, 0 : 1 : columns * 1j]
    distance = np.hypot(y[..., None] - centres[:, 0], x[..., None] - centres[:, 1])
    noise = rng.standard_normal(distance.shape)
    return np.asarray(-20 * distance + 0.2 * noise, np.float32)


@given(placed_logits())
def test_labels_are_the_argmax_of_the_interpolated_logits(placed: PlacedLogits) -> None:
    labels = label_map(placed.logits, placed.stride, placed.content, placed.original)
    assert labels.shape == placed.original
    assert labels.dtype == np.uint8
    assert_labels_are_winners(labels, placed.logits, placed.stride, placed.content)


@given(placed_logits(exact=True))
def test_ties_go_to_the_lowest_id(placed: PlacedLogits) -> None:
    # Every value here is exact in float64, so that equal means equal.
    labels = label_map(placed.logits, placed.stride, placed.content, placed.original)
    values = interpolated(placed.logits, placed.stride, placed.content, placed.original)
    np.testing.assert_array_equal(labels, values.argmax(axis=2))


@given(st.lists(st.lists(st.integers(-2, 2), min_size=5, max_size=5), min_size=2, max_size=2))
@example([[2, 1, 0, 0, 0], [0, 1, 2, 0, 0]])  # three lines through one point
@example([[0, 1, 2, 0, 0], [2, 1, 0, 0, 0]])
@example([[1, 0, 2, 0, 0], [1, 2, 0, 0, 0]])  # the one in the middle is the lowest
def test_ties_along_one_cell(ends: list[list[int]]) -> None:
    logits = np.array([ends], np.float32)
    labels = label_map(logits, 4, (1, 5), (1, 5))
    np.testing.assert_array_equal(labels, interpolated(logits, 4, (1, 5), (1, 5)).argmax(axis=2))


def test_every_small_picture_on_every_small_canvas() -> None:
    logits = random_logits(4, 4, 5)
    sides = range(1, 9)
    for stride, rows, columns in itertools.product((1, 2, 4), (1, 2, 4), (1, 3)):
        canvas = Canvas((rows - 1) * stride + 1, (columns - 1) * stride + 1)
        for original in itertools.product(sides, sides):
            content = fit_size(*original, canvas)
            grid = logits[:rows, :columns]
            labels = label_map(grid, stride, content, original)
            assert labels.shape == original
            assert_labels_are_winners(labels, grid, stride, content)


@pytest.mark.parametrize(
    ("original", "canvas", "stride"),
    [
        ((375, 500), Canvas(513, 513), 16),
        ((513, 513), Canvas(513, 513), 16),
        ((513, 513), Canvas(513, 513), 8),
        ((500, 400), Canvas(513, 513), 8),
        ((700, 900), Canvas(513, 513), 16),
        ((1, 900), Canvas(513, 513), 16),
        ((900, 1), Canvas(513, 513), 8),
        ((481, 1_201), Canvas(513, 1025), 16),
    ],
)
@pytest.mark.parametrize("classes", [1, 2, 21, 151])
def test_real_sizes(original: tuple[int, int], canvas: Canvas, stride: int, classes: int) -> None:
    content = fit_size(*original, canvas)
    logits = smooth_logits(*canvas.grid_size(stride), classes)
    labels = label_map(logits, stride, content, original)
    assert_labels_are_winners(labels, logits, stride, content)


def test_a_photo_much_larger_than_the_canvas() -> None:
    content = fit_size(1_500, 2_000, Canvas(513, 513))
    logits = smooth_logits(33, 33, 21)
    assert_labels_are_winners(label_map(logits, 16, content, (1_500, 2_000)), logits, 16, content)


def test_noise_of_many_classes_in_more_than_one_block() -> None:
    logits = random_logits(33, 33, 60)
    labels = label_map(logits, 16, (513, 385), (600, 450))
    assert_labels_are_winners(labels, logits, 16, (513, 385))


@given(placed_logits())
def test_a_turned_picture_has_the_turned_mask(placed: PlacedLogits) -> None:
    labels = label_map(placed.logits, placed.stride, placed.content, placed.original)
    turned = label_map(
        placed.logits.transpose(1, 0, 2), placed.stride, placed.content[::-1], placed.original[::-1]
    )
    values = interpolated(placed.logits, placed.stride, placed.content, placed.original)
    best = np.partition(values, -2, axis=2)[..., -2:] if values.shape[2] > 1 else None
    clear = np.ones(labels.shape, bool) if best is None else np.ptp(best, axis=2) > 1e-9
    np.testing.assert_array_equal(turned.T[clear], labels[clear])


def test_labels_at_grid_points_are_the_grids_winners() -> None:
    logits = random_logits(5, 7, 9)
    labels = label_map(logits, 8, (33, 49), (33, 49))
    np.testing.assert_array_equal(labels[::8, ::8], logits.argmax(axis=2))


@pytest.mark.parametrize("stride", [8, 16])
def test_no_full_size_float_map_is_made(stride: int) -> None:
    original, canvas = (3_000, 4_000), Canvas(513, 513)
    logits = smooth_logits(*canvas.grid_size(stride), 21)
    assert peak_memory(logits, stride, fit_size(*original, canvas), original) < 3 * 3_000 * 4_000


def test_memory_stays_bounded_where_every_cell_is_a_boundary_of_many_classes() -> None:
    original, canvas = (1_500, 2_000), Canvas(513, 513)
    logits = random_logits(33, 33, 151)
    assert peak_memory(logits, 16, fit_size(*original, canvas), original) < 15 * 1_500 * 2_000


def peak_memory(
    logits: NDArray[np.float32], stride: int, content: tuple[int, int], original: tuple[int, int]
) -> int:
    """Bytes that :func:`label_map` has allocated at most, its result included."""
    tracemalloc.start()
    try:
        label_map(logits, stride, content, original)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_extreme_logits() -> None:
    logits = np.zeros((2, 2, 3), np.float32)
    logits[0, 0, 0] = logits[1, 1, 1] = np.finfo(np.float32).max
    logits[0, 1, 2] = np.finfo(np.float32).max / 2
    logits[1, 0, 2] = np.finfo(np.float32).tiny
    with np.errstate(all="raise", under="ignore"):
        labels = label_map(logits, 16, (17, 17), (17, 17))
    assert_labels_are_winners(labels, logits, 16, (17, 17))
    assert labels[0, 0] == 0
    assert labels[-1, -1] == 1
    assert labels[0, -1] == 2


@pytest.mark.parametrize("shape", [(3, 3), (3, 3, 0), (3, 3, 257), (1, 3, 3, 21)])
def test_logits_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="logits have the shape"):
        label_map(np.zeros(shape, np.float32), 16, (33, 33), (33, 33))


def test_content_beyond_the_grid_is_refused() -> None:
    with pytest.raises(ValueError, match="content of 34 pixels does not fit"):
        label_map(random_logits(3, 3, 2), 16, (33, 34), (33, 34))


NAMES = tuple(f"class {label}" for label in range(21))


def answer(
    logits: NDArray[np.float32], content: tuple[int, int], original: tuple[int, int]
) -> LogitsGrid:
    return LogitsGrid(
        ref=ImageRef("photos/a.jpg", "7"),
        logits=logits,
        stride=16,
        content_height=content[0],
        content_width=content[1],
        original=Original(*original, orientation=8, scale=0.5),
        slot=ShardSlot("0123456789abcdef", 2, 5),
    )


def test_segment_logits_gives_the_mask_as_png_and_its_areas() -> None:
    logits = smooth_logits(33, 33, 21)
    segmentation = segment_logits(answer(logits, (385, 513), (600, 800)), NAMES, PALETTE)
    assert segmentation.ref == ImageRef("photos/a.jpg", "7")
    assert segmentation.slot == ShardSlot("0123456789abcdef", 2, 5)
    assert segmentation.original == Original(600, 800, orientation=8, scale=0.5)
    with Image.open(io.BytesIO(segmentation.mask_png)) as image:
        labels = np.asarray(image)
        assert bytes(image.getpalette() or []) == PALETTE
    np.testing.assert_array_equal(labels, label_map(logits, 16, (385, 513), (600, 800)))
    counts = np.bincount(labels.ravel(), minlength=21)
    assert {area.class_id: area.pixels for area in segmentation.areas} == {
        label: count for label, count in enumerate(counts) if count
    }
    assert [area.class_name for area in segmentation.areas] == [
        NAMES[area.class_id] for area in segmentation.areas
    ]
    direct = confidences(logits, labels, 16, (385, 513), (600, 800))
    for area in segmentation.areas:
        assert area.mean_confidence == pytest.approx(direct[area.class_id], rel=1e-5)


def test_segment_logits_refuses_names_and_palettes_of_another_size() -> None:
    grid = answer(smooth_logits(33, 33, 21), (385, 513), (385, 513))
    with pytest.raises(ValueError, match="21 classes in the logits, but 20 class names"):
        segment_logits(grid, NAMES[:20], PALETTE)
    with pytest.raises(ValueError, match="a palette has 768 bytes, not 63"):
        segment_logits(grid, NAMES, PALETTE[:63])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("graph_file", "stride"),
    [("frozen_inference_graph.pb", 16), ("frozen_inference_graph_os8.pb", 8)],
)
def test_masks_equal_the_official_graphs_predictions(
    mobilenet_checkpoint: Path, voc_photos: list[Path], graph_file: str, stride: int
) -> None:
    import tensorflow as tf

    definition = tf.compat.v1.GraphDef()
    definition.ParseFromString((mobilenet_checkpoint / graph_file).read_bytes())
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(definition, name="")
    with tf.compat.v1.Session(graph=graph) as session:
        for path in voc_photos[::4]:
            with Image.open(path) as photo:
                pixels = np.asarray(photo.convert("RGB"))
            size = pixels.shape[0], pixels.shape[1]
            logits, predictions = session.run(
                ["logits/semantic/BiasAdd:0", "SemanticPredictions:0"],
                {"ImageTensor:0": pixels[None]},
            )
            labels = label_map(logits[0], stride, size, size)
            np.testing.assert_array_equal(labels, predictions[0])
            assert_labels_are_winners(labels, logits[0], stride, size)
            # The same logits under a picture of three times the size, which was reduced.
            large = size[0] * 3 + 1, size[1] * 3
            assert_labels_are_winners(
                label_map(logits[0], stride, size, large), logits[0], stride, size
            )
