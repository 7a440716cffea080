from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.ExifTags import Base

from beam_deeplab.transforms.decoding.decode import decode_image
from beam_deeplab.transforms.geometry import Canvas
from beam_deeplab.transforms.records import (
    EncodedImage,
    Failure,
    FailureCode,
    ImageRef,
    LogitsGrid,
    Rendering,
    ShardSlot,
    Stage,
)
from beam_deeplab.transforms.rendering.composites import RenderRecipe, render_image
from beam_deeplab.transforms.rendering.effects import Cutout, Effect, Portrait, Redact
from beam_deeplab.transforms.rendering.files import FileFormat
from tests.pipeline.test_job import MODEL

CANVAS = Canvas(65, 65)
STRIDE = 8


def photo(height: int = 120, width: int = 200, orientation: int = 1) -> bytes:
    """As stored; upright its left half is red and its right half blue."""
    upright = np.zeros((height, width, 3), np.uint8)
    upright[:, : width // 2, 0] = upright[:, width // 2 :, 2] = 200
    turns = {1: None, 6: Image.Transpose.ROTATE_90, 3: Image.Transpose.ROTATE_180}
    image = Image.fromarray(upright)
    turn = turns[orientation]
    image = image if turn is None else image.transpose(turn)
    exif = Image.Exif()
    exif[Base.Orientation] = orientation
    sink = BytesIO()
    image.save(sink, "JPEG", quality=95, exif=exif)
    return sink.getvalue()


def answer_to(data: bytes) -> LogitsGrid:
    """The logits that a network would give: class 1 in the left half of the picture."""
    picture = decode_image(EncodedImage(ImageRef("a.jpg", "1"), data), CANVAS)
    assert not isinstance(picture, Failure)
    height, width, _ = picture.pixels.shape
    logits = np.zeros((9, 9, 2), np.float32)
    logits[..., 1] = (width / 2 - np.arange(9) * STRIDE) * 2
    slot = ShardSlot("ab" * 8, 0, 1)
    return LogitsGrid(
        picture.ref, logits, STRIDE, height, width, picture.original, slot=slot, data=data
    )


def render(data: bytes, effect: Effect, **how: Any) -> Rendering | Failure:
    recipe = RenderRecipe(MODEL, CANVAS, effect=effect, subject=(1,), **how)
    return render_image(answer_to(data), recipe)


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize("effect", [Portrait(), Redact((0, 255, 0)), Cutout()])
def test_pictures_come_out_upright_in_their_original_size(effect: Effect, orientation: int) -> None:
    row = render(photo(orientation=orientation), effect, file_format=FileFormat.PNG)
    assert isinstance(row, Rendering)
    assert (row.ref.uri, row.suffix, row.effect) == ("a.jpg", "png", effect.name)
    assert (row.original.height, row.original.width) == (120, 200)
    assert row.original.orientation == orientation
    assert row.subject_fraction == pytest.approx(0.5, abs=0.12)
    assert row.slot is not None
    image = Image.open(BytesIO(row.image))
    assert image.size == (200, 120)
    assert Base.Orientation not in image.getexif()
    left, right = np.asarray(image)[60, 20], np.asarray(image)[60, 180]
    if isinstance(effect, Redact):
        assert left.tolist() == [0, 255, 0]
    else:
        assert left[0] > 150
    if isinstance(effect, Cutout):
        assert (left[3], right[3]) == (255, 0)
    else:
        assert right[2] > 150


def test_subject_pixels_of_a_portrait_are_those_of_the_file() -> None:
    data = photo()
    row = render(data, Portrait(1), file_format=FileFormat.PNG)
    assert isinstance(row, Rendering)
    rendered, original = (np.asarray(Image.open(BytesIO(each))) for each in (row.image, data))
    np.testing.assert_array_equal(rendered[:, :60], original[:, :60])


@pytest.mark.parametrize(
    ("change", "how", "code"),
    [
        (lambda data: data[: len(data) // 2], {}, FailureCode.CORRUPT),
        (lambda data: photo(20, 17_000), {"file_format": FileFormat.WEBP}, FailureCode.TOO_LARGE),
    ],
)
def test_what_cannot_be_rendered_is_a_failure(change: Any, how: Any, code: FailureCode) -> None:
    data = photo(20, 17_000)
    answer = replace(answer_to(data), data=change(data))
    row = render_image(answer, RenderRecipe(MODEL, CANVAS, subject=(1,), **how))
    assert isinstance(row, Failure)
    assert (row.stage, row.code, row.slot) == (Stage.RENDER, code, answer.slot)
