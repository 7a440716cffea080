from __future__ import annotations

import random
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms
from PIL.ExifTags import GPS, IFD, Base

from beam_deeplab.transforms.rendering.files import FileFormat, encode_picture

PICTURE = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def photo_exif() -> Image.Exif:
    exif = Image.Exif()
    exif[Base.Orientation] = 6
    exif[Base.Model] = "a camera"
    exif[IFD.Exif] = {Base.DateTimeOriginal: "2026:01:02 03:04:05", Base.MakerNote: b"preview"}
    exif[IFD.GPSInfo] = {GPS.GPSLatitudeRef: "N", GPS.GPSLatitude: (52.0, 30.0, 0.0)}
    return exif


def stored(image_format: str, mode: str = "RGB", **how: Any) -> bytes:
    sink = BytesIO()
    Image.fromarray(PICTURE).convert(mode).save(sink, image_format, **how)
    return sink.getvalue()


def opened(content: bytes) -> Image.Image:
    return Image.open(BytesIO(content))


@pytest.mark.parametrize("file_format", FileFormat)
@pytest.mark.parametrize("original", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_what_holds_for_the_photo_comes_along(original: str, file_format: FileFormat) -> None:
    source = stored(original, exif=photo_exif().tobytes(), icc_profile=PROFILE)
    content = encode_picture(PICTURE, file_format, source, keep_exif=True)
    image = opened(content)
    assert image.info["icc_profile"] == PROFILE
    exif = image.getexif()
    assert dict(exif).keys() == {Base.Model, IFD.Exif, IFD.GPSInfo}
    assert dict(exif.get_ifd(IFD.Exif)) == {Base.DateTimeOriginal: "2026:01:02 03:04:05"}
    assert exif.get_ifd(IFD.GPSInfo)[GPS.GPSLatitude] == (52.0, 30.0, 0.0)
    assert b"preview" not in content


@pytest.mark.parametrize("file_format", FileFormat)
def test_unasked_only_the_profile_comes_along(file_format: FileFormat) -> None:
    source = stored("JPEG", exif=photo_exif(), icc_profile=PROFILE)
    image = opened(encode_picture(PICTURE, file_format, source))
    assert image.info["icc_profile"] == PROFILE
    assert not image.getexif()


def test_a_profile_of_other_samples_does_not() -> None:
    grey = PROFILE[:16] + b"GRAY" + PROFILE[20:]
    source = stored("JPEG", "L", icc_profile=grey)
    assert "icc_profile" not in opened(encode_picture(PICTURE, FileFormat.JPEG, source)).info


def test_png_keeps_all_samples_and_the_others_nearly() -> None:
    rgba = np.dstack([PICTURE, PICTURE[..., :1]])
    source = stored("BMP")
    png = opened(encode_picture(rgba, FileFormat.PNG, source))
    np.testing.assert_array_equal(np.asarray(png), rgba)
    webp = opened(encode_picture(rgba, FileFormat.WEBP, source))
    np.testing.assert_array_equal(np.asarray(webp)[..., 3], rgba[..., 3])
    smooth = np.full((30, 40, 3), (200, 90, 20), np.uint8)
    jpeg = opened(encode_picture(smooth, FileFormat.JPEG, source))
    np.testing.assert_allclose(np.asarray(jpeg).astype(int), smooth, atol=3)


def test_what_a_format_cannot_hold_is_said() -> None:
    with pytest.raises(ValueError, match="up to 16,383 pixels"):
        encode_picture(np.zeros((1, 17_000, 3), np.uint8), FileFormat.WEBP, b"")


@given(st.integers(0, 2**32 - 1))
def test_damaged_metadata_cost_only_themselves(seed: int) -> None:
    source = bytearray(stored("JPEG", exif=photo_exif(), icc_profile=PROFILE))
    rng = random.Random(seed)
    for _ in range(8):
        source[rng.randrange(3, 600)] = rng.randrange(256)
    content = encode_picture(PICTURE, FileFormat.PNG, bytes(source), keep_exif=True)
    np.testing.assert_array_equal(np.asarray(opened(content)), PICTURE)
