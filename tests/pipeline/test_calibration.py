"""Which images a network is calibrated on, and what it costs on photos that it has not seen."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_deeplab.deeplab.engines import EngineChoice
from beam_deeplab.deeplab.models import inspect_model
from beam_deeplab.deeplab.truth import TruthRule
from beam_deeplab.pipeline.calibration import choose_images, quantize_model
from beam_deeplab.pipeline.options import UsageError
from beam_deeplab.transforms.geometry import Canvas
from beam_deeplab.transforms.records import ImageRef, LabelledRef
from beam_deeplab.transforms.segmenting.handler import Recipe


@given(
    st.lists(st.integers(0, 50).map(lambda number: ImageRef(f"gs://b/{number}")), max_size=60),
    st.integers(1, 20),
    st.randoms(use_true_random=False),
)
def test_the_same_images_are_chosen_in_whatever_order_they_are_listed(
    refs: list[ImageRef], count: int, chance: random.Random
) -> None:
    chosen = choose_images(refs, count)
    assert len(chosen) == len({ref.uri for ref in chosen})
    assert choose_images(chance.sample(refs, len(refs)), count) == chosen
    assert set(chosen) <= set(refs)


def test_another_seed_chooses_others() -> None:
    refs = [ImageRef(f"gs://b/{number}") for number in range(1000)]
    first, second = (set(choose_images(refs, 10, seed)) for seed in (0, 1))
    assert len(first & second) < 10


def test_images_that_are_no_pictures_calibrate_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    recipe = Recipe(inspect_model("emoji_scenes"), Canvas(129, 129))
    with pytest.raises(UsageError, match="none of 1 images can be decoded"):
        quantize_model(recipe, [ImageRef(str(tmp_path / "a.jpg"))], 8, 0)


@pytest.mark.slow
@pytest.mark.parametrize("half", [0, 1])
def test_half_of_the_photos_calibrate_for_the_other_half(
    half: int, shared: Path, mobilenet_checkpoint: Path, voc_photos: list[Path]
) -> None:
    """At 11 pictures mIoU falls by less than 0.005; it is higher, if anything."""
    model = inspect_model(str(mobilenet_checkpoint))
    recipe = Recipe(model, Canvas(513, 513), engine=EngineChoice("openvino", "int8"))
    folder = shared / "voc" / "SegmentationClassAug"
    refs = [
        LabelledRef(str(photo), truth=ImageRef(str(folder / f"{photo.stem}.png")))
        for photo in voc_photos[half::2] + voc_photos[1 - half :: 2]
    ]
    calibration = quantize_model(recipe, refs, 11, 0, TruthRule(model.labels)).card.calibration
    assert calibration
    assert calibration.images == 11
    assert 0 < calibration.labels_differ < 0.02
    assert calibration.miou
    assert calibration.miou["int8"] > calibration.miou["f32"] - 0.005
