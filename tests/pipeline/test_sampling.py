"""Samples: images go all the way, failures are counted, and the whole is estimated from them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from beam_deeplab.pipeline.sampling import Cost, Sample, measure, spread
from beam_deeplab.pipeline.workers import Machines
from beam_deeplab.transforms.geometry import Canvas
from beam_deeplab.transforms.records import ImageRef
from beam_deeplab.transforms.segmenting.handler import Recipe
from beam_deeplab.transforms.segmenting.inference import BatchInference
from tests.pipeline.test_job import MODEL

RECIPE = Recipe(MODEL, Canvas(33, 33))


class PatternEngine:
    """Logits that differ from class to class; white pictures have none that are finite."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        self.batches.append(len(images))
        logits = np.zeros((len(images), 3, 3, 21), np.float32)
        logits[:, 1, 1, 5] = 1
        logits[images[:, 0, 0, 0] == 1] = np.nan
        return logits

    def close(self) -> None:
        pass


def _photos(folder: Path, *greys: int) -> list[ImageRef]:
    refs = []
    for index, grey in enumerate(greys):
        path = folder / f"{index}.png"
        Image.new("L", (40, 30), grey).save(path)
        refs.append(ImageRef(str(path)))
    return refs


@given(images=st.integers(0, 200), count=st.integers(1, 20))
def test_a_sample_is_evenly_spread(images: int, count: int) -> None:
    refs = [ImageRef(str(index)) for index in range(images)]
    chosen = [int(ref.uri) for ref in spread(refs, count)]
    assert len(chosen) == min(count, images)
    assert chosen == sorted(set(chosen))
    edges = [-chosen[0] - 1, *chosen, 2 * images - chosen[-1] - 1] if chosen else []
    gaps = np.diff(edges)
    assert not len(gaps) or gaps.max() - gaps.min() <= 2


def test_images_go_all_the_way_and_failures_are_counted(tmp_path: Path) -> None:
    refs = _photos(tmp_path, 10, 20, 255, 30, 40)
    empty = tmp_path / "empty.png"
    empty.write_bytes(b"")
    refs += [ImageRef(str(empty)), ImageRef(str(tmp_path / "missing.png"))]
    engine = PatternEngine()
    sample = measure(refs, RECIPE, BatchInference(lambda _: engine, [RECIPE.canvas]), batch_size=2)
    assert engine.batches == [2, 2, 2, 1]
    assert sample.failures == {"NON_FINITE": 1, "EMPTY": 1, "NOT_FOUND": 1}
    assert (sample.images, sample.decoded, sample.infer.images, sample.masks) == (7, 5, 5, 4)
    assert sample.read_and_decode.images == 7
    assert sample.success == pytest.approx(4 / 7)
    for cost in (sample.read_and_decode, sample.infer, sample.mask):
        assert cost.wall > 0
    masks = 4 * len(_mask_png(refs[0], engine))
    assert sample.mask_bytes == masks
    assert sample.bytes_for(7000) == 1000 * masks


def _mask_png(ref: ImageRef, engine: PatternEngine) -> bytes:
    from beam_deeplab.transforms.decoding.decode import decode_image
    from beam_deeplab.transforms.masks.label_maps import segment_logits
    from beam_deeplab.transforms.records import EncodedImage, LogitsGrid
    from beam_deeplab.transforms.sources.reading import read_image

    encoded = read_image(ref)
    assert isinstance(encoded, EncodedImage)
    picture = decode_image(encoded, RECIPE.canvas)
    (grid,) = BatchInference(lambda _: engine, [RECIPE.canvas])([picture])
    assert isinstance(grid, LogitsGrid)
    return segment_logits(grid, MODEL.labels.names, MODEL.labels.palette_bytes()).mask_png


def test_a_slow_network_sees_fewer_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = PatternEngine()
    refs = _photos(tmp_path, 10, 20, 30, 40)
    model = BatchInference(lambda _: engine, [RECIPE.canvas])
    monkeypatch.setattr("beam_deeplab.pipeline.sampling.INFER_SECONDS", 0)
    sample = measure(refs, RECIPE, model, batch_size=1)
    assert engine.batches == [1, 1]
    assert (sample.decoded, sample.infer.images, sample.masks) == (4, 1, 1)
    assert sample.success == 1
    assert sample.bytes_for(8) == 8 * sample.mask_bytes


@pytest.mark.parametrize("refs", [[], [ImageRef("/nowhere/a.png")]])
def test_a_sample_may_come_to_nothing(refs: list[ImageRef]) -> None:
    engine = PatternEngine()
    sample = measure(refs, RECIPE, BatchInference(lambda _: engine, [RECIPE.canvas]), batch_size=2)
    assert engine.batches == []
    assert sample.masks == 0
    assert sample.failures.total() == len(refs)


def _sample(success: float = 1.0) -> Sample:
    """An image takes 1 s of reading, 2 s of inference on two cores at once, 1 s of its mask."""
    return Sample(
        images=10,
        decoded=round(10 * success),
        failures=Counter(),
        read_and_decode=Cost(10, wall=10, cpu=5),
        infer=Cost(4, wall=8, cpu=16),
        mask=Cost(4, wall=4, cpu=4),
        masks=4,
        mask_bytes=4000,
    )


def _machines(count: int, threads: int, cores: int, gpu: str = "") -> Machines:
    return Machines(count == 1, count, cores, threads, gpu=gpu)


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the machine that measured."""
    monkeypatch.setattr("beam_deeplab.pipeline.sampling.available_cores", lambda: 2)


@pytest.mark.usefixtures("two_cores")
@pytest.mark.parametrize(
    ("machines", "seconds"),
    [
        (_machines(1, 1, 2), 400),  # one after the other
        (_machines(1, 2, 2), 275),  # 5.5 s of CPU on 2 cores
        (_machines(4, 2, 2), 68.75),  # on each of four
        (_machines(1, 8, 8), 68.75),  # and on as many cores
        (_machines(1, 8, 2), 275),
        (_machines(1, 1, 8), 400),
    ],
)
def test_machines_share_the_images_and_threads_their_cores(
    machines: Machines, seconds: float
) -> None:
    assert _sample().seconds_for(100, machines) == pytest.approx(seconds)


@pytest.mark.parametrize(("here", "seconds"), [(True, 200), (False, 50)])
def test_a_gpu_is_one_for_all_threads_and_takes_no_time_unless_it_was_measured(
    here: bool, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("beam_deeplab.pipeline.sampling.has_gpu", lambda: here)
    sample = replace(_sample(), infer=Cost(4, wall=8, cpu=0))
    assert sample.seconds_for(100, _machines(1, 4, 4, "nvidia-l4")) == pytest.approx(seconds)


def test_images_that_fail_are_read_and_no_more() -> None:
    assert _sample(success=0.5).seconds_for(100, _machines(1, 1, 8)) == pytest.approx(250)
    assert _sample(success=0.5).bytes_for(100) == 50 * 1000
