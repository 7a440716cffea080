from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from beam_deeplab.transforms.rendering.effects import Cutout, Effect, Portrait, Redact
from beam_deeplab.transforms.rendering.matte import Matting
from tests.transforms.rendering.subjects import centred_answer

PICTURE = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)


def png(pixels: np.ndarray) -> bytes:
    sink = BytesIO()
    Image.fromarray(pixels).save(sink, "PNG")
    return sink.getvalue()


@pytest.mark.parametrize(
    ("effect", "channels"),
    [
        (Portrait(), 3),
        (Cutout(), 4),
        (Cutout((9, 9, 9)), 3),
        (Cutout(png(PICTURE)), 3),
        (Redact(), 3),
        (Redact((0, 0, 0)), 3),
    ],
)
def test_a_subject_is_found_and_the_size_stays(effect: Effect, channels: int) -> None:
    rendered = effect(PICTURE, centred_answer(90, 120), (1,))
    assert rendered.pixels.shape == (90, 120, channels)
    assert rendered.effect == effect.name
    assert rendered.subject_fraction == pytest.approx(np.pi / 16, abs=0.09)
    assert not np.array_equal(rendered.pixels[..., :3], PICTURE)


def test_a_portrait_of_next_to_nothing_is_the_picture() -> None:
    rendered = Portrait()(PICTURE, centred_answer(90, 120, reach=0.02), (1,))
    assert rendered.effect == "none"
    assert 0 < rendered.subject_fraction < 0.01
    np.testing.assert_array_equal(rendered.pixels, PICTURE)


def test_little_is_redacted_all_the_same() -> None:
    rendered = Redact()(PICTURE, centred_answer(90, 120, reach=0.02), (1,))
    assert rendered.effect == "redact"
    assert not np.array_equal(rendered.pixels, PICTURE)
    nothing = Redact()(PICTURE, centred_answer(90, 120, reach=-1), (1,))
    assert (nothing.effect, nothing.subject_fraction) == ("none", 0)


def test_all_that_decides_is_described() -> None:
    descriptions = [
        effect.describe()
        for effect in (
            Portrait(0.5),
            Portrait(0.6),
            Portrait(0.6, Matting.CLOSED_FORM),
            Cutout(),
            Cutout((1, 2, 3)),
            Cutout(b"a"),
            Cutout(b"b"),
            Redact(),
            Redact((1, 2, 3)),
        )
    ]
    assert len({str(each) for each in descriptions}) == len(descriptions)
    assert descriptions[4] == {
        "effect": "cutout",
        "background": [1, 2, 3],
        "matting": "guided",
    }
