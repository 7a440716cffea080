from __future__ import annotations

import io
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from beam_deeplab.transforms.decoding.codecs import read_header
from beam_deeplab.transforms.decoding.decode import DecodingError, decode, decode_image
from beam_deeplab.transforms.decoding.formats import MAX_SIDE, DecodeRequest
from beam_deeplab.transforms.decoding.jpeg import decode as decode_jpeg
from beam_deeplab.transforms.decoding.options import DEFAULT_MAX_PIXELS, DecodeOptions
from beam_deeplab.transforms.geometry import Canvas, fit_size
from beam_deeplab.transforms.records import (
    DecodedImage,
    EncodedImage,
    Failure,
    FailureCode,
    ImageRef,
    Original,
    ShardSlot,
    Stage,
)
from tests import corpus
from tests.transforms.decoding.test_resizing import mean_by_area

VOC = Canvas(513, 513)
REF = ImageRef("gs://bucket/photos/image.jpg", "7")
SLOT = ShardSlot("0123456789abcdef", 2, 5)
ROOT = Path(__file__).parents[3]


def named(entry: corpus.GoodFile | corpus.BadFile) -> str:
    return entry.name


def with_pillow(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


@pytest.mark.parametrize("entry", corpus.good_files(), ids=named)
def test_good_file_decodes_to_the_upright_picture(entry: corpus.GoodFile) -> None:
    picture = decode(entry.data, VOC)
    assert (picture.original.height, picture.original.width) == entry.expected.shape[:2]
    assert picture.pixels.dtype == np.uint8
    assert picture.pixels.flags.c_contiguous
    entry.assert_shown_by(picture.pixels)


@pytest.mark.parametrize("entry", corpus.bad_files(), ids=named)
def test_bad_file_is_one_failure_with_its_code(entry: corpus.BadFile) -> None:
    failure = decode_image(EncodedImage(REF, entry.data, SLOT), VOC)
    assert isinstance(failure, Failure)
    assert failure == Failure(REF, Stage.DECODE, entry.code, failure.message, SLOT)
    assert failure.message
    assert "\n" not in failure.message
    assert len(failure.message) < 160
    assert " at 0x" not in failure.message
    assert not any(part in failure.message for part in ("gs://", "/"))


def test_decoded_image_keeps_its_reference_and_slot() -> None:
    data = corpus.encode(corpus.quadrants(), "PNG")
    image = decode_image(EncodedImage(REF, data, SLOT), Canvas(17, 17))
    assert isinstance(image, DecodedImage)
    assert (image.ref, image.slot) == (REF, SLOT)
    assert image.original == Original(32, 64, scale=17 / 64)
    assert image.pixels.shape == (9, 17, 3)


def test_reading_the_corpus_needs_no_warning_and_no_limit_of_pillow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for good in corpus.good_files():
            good.assert_shown_by(decode(good.data, VOC).pixels)
        for bad in corpus.bad_files():
            with pytest.raises(DecodingError) as caught:
                decode(bad.data, VOC)
            assert caught.value.code == bad.code, bad.name
    assert Image.MAX_IMAGE_PIXELS == 10


def test_threads_do_not_disturb_each_other() -> None:
    files = corpus.good_files() * 3
    with ThreadPoolExecutor(4) as threads:
        pictures = threads.map(lambda entry: decode(entry.data, VOC), files)
        for entry, picture in zip(files, pictures, strict=True):
            entry.assert_shown_by(picture.pixels)


@pytest.mark.parametrize(
    "entry",
    [
        entry
        for entry in corpus.good_files()
        if entry.name
        in {
            "jpeg-444.jpg",
            "jpeg-progressive.jpg",
            "png-interlaced.png",
            "webp-rgba.webp",
            "gif-animated.gif",
            "bmp-run-lengths.bmp",
            "tiff-tiff_lzw.tif",
            "tiff-raw-orientation-6.tif",
        }
    ],
    ids=named,
)
def test_a_file_cut_off_anywhere_never_shows_another_picture(entry: corpus.GoodFile) -> None:
    whole = decode(entry.data, VOC).pixels
    codes = set()
    for length in range(len(entry.data)):
        try:
            picture = decode(entry.data[:length], VOC)
        except DecodingError as error:
            codes.add(error.code)
        else:
            # What is missing is behind the first picture, or padding.
            np.testing.assert_array_equal(picture.pixels, whole, f"{entry.name} cut to {length}")
    assert FailureCode.CORRUPT in codes
    assert codes <= {FailureCode.CORRUPT, FailureCode.EMPTY, FailureCode.UNSUPPORTED_FORMAT}


def test_official_photos_decode_bit_for_bit_as_with_pillow(voc_photos: list[Path]) -> None:
    assert len(voc_photos) == 22
    for photo in voc_photos:
        data = photo.read_bytes()
        np.testing.assert_array_equal(decode(data, VOC).pixels, with_pillow(data))


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("quality", [30, 90])
def test_unreduced_jpeg_is_bit_for_bit_that_of_pillow(
    quality: int, subsampling: int, progressive: bool
) -> None:
    data = corpus.encode(
        corpus.texture(101, 131),
        "JPEG",
        quality=quality,
        subsampling=subsampling,
        progressive=progressive,
    )
    np.testing.assert_array_equal(decode(data, VOC).pixels, with_pillow(data))


@pytest.mark.parametrize("samples", [16, 256, 65536])
def test_16_bit_samples_are_scaled_not_saturated(samples: int) -> None:
    values = np.linspace(0, 65535, samples).astype(np.uint16).reshape(16, -1)
    for data in (
        corpus.encode(values, "PNG"),
        corpus.encode(values, "TIFF"),
        corpus.tiff(np.repeat(values[..., None], 3, axis=2)),
    ):
        shown = decode(data, Canvas(4097, 4097)).pixels
        assert np.abs(shown - values[..., None] / 257).max() < 1
        assert (shown.min(), shown.max()) == (0, 255)


def test_8_bit_picture_stored_in_16_bits_comes_back_unchanged() -> None:
    picture = corpus.texture()
    deep = picture.astype(np.uint16) * 257
    rows = [row.astype(">u2").tobytes() for row in deep]
    for data in (corpus.tiff(deep), corpus.png(picture.shape[:2], 16, 2, rows)):
        np.testing.assert_array_equal(decode(data, VOC).pixels, picture)


@pytest.mark.parametrize("image_format", ["PNG", "WEBP", "TIFF"])
def test_large_transparent_picture_is_converted_in_bands_without_seams(image_format: str) -> None:
    height, width = 1300, 1700
    rgba = np.dstack([corpus.texture(height, width), corpus.texture(height, width, 1)[..., 0]])
    options = {"lossless": True, "exact": True, "method": 0} if image_format == "WEBP" else {}
    data = corpus.encode(rgba, image_format, **options)
    weight = rgba[..., 3:].astype(float) / 255
    expected = rgba[..., :3] * weight + 255 * (1 - weight)
    assert np.abs(decode(data, Canvas(height, width)).pixels - expected).max() <= 1


@pytest.mark.parametrize(
    ("height", "width", "scale"),
    [(700, 1023, 1), (1026, 900, 2), (1203, 1601, 2), (2100, 1501, 4), (3001, 4099, 4)],
)
def test_large_jpeg_is_decoded_at_the_smallest_scale_that_covers_the_content(
    height: int, width: int, scale: int
) -> None:
    data = corpus.encode(np.zeros((height, width), np.uint8), "JPEG")
    content = fit_size(height, width, VOC)
    scaled = decode_jpeg(data, DecodeRequest(read_header(data), DecodeOptions(), *content))
    assert scaled.pixels.shape == (-(-height // scale), -(-width // scale), 3)
    assert (scaled.rows, scaled.columns) == (height / scale, width / scale)
    assert scaled.rows is not None
    assert scaled.columns is not None
    assert scaled.rows >= content[0]
    assert scaled.columns >= content[1]


@pytest.mark.parametrize(
    ("height", "width"), [(1203, 1601), (2099, 2101), (1030, 1027), (4107, 37)]
)
def test_reduced_jpeg_is_aligned_with_the_full_picture_up_to_its_last_pixel(
    height: int, width: int
) -> None:
    ramp = np.add.outer(np.linspace(0, 120, height), np.linspace(0, 120, width))
    data = corpus.encode(np.rint(ramp).astype(np.uint8), "JPEG", quality=98)
    picture = decode(data, VOC)
    exact = mean_by_area(with_pillow(data), *picture.pixels.shape[:2])
    assert np.abs(picture.pixels - exact).max() <= 1.5


def test_reduced_jpeg_is_close_to_the_exact_reduction_of_the_full_picture(
    voc_photos: list[Path],
) -> None:
    for photo, size in zip(voc_photos, ((1601, 1203), (2101, 2099), (4001, 2999)), strict=False):
        large = Image.open(photo).convert("RGB").resize(size, Image.Resampling.BICUBIC)
        data = corpus.encode(large, "JPEG", quality=90)
        picture = decode(data, VOC)
        exact = mean_by_area(with_pillow(data), *picture.pixels.shape[:2])
        assert np.abs(picture.pixels - exact).mean() < 2.5


@pytest.mark.parametrize("turn", corpus.ORIENTATIONS)
def test_large_oriented_jpeg_fits_the_canvas_upright(turn: int) -> None:
    upright = corpus.quadrants(700, 1400)
    data = corpus.encode(corpus.stored(upright, turn), "JPEG", exif=corpus.exif(turn))
    picture = decode(data, Canvas(129, 193))
    assert (picture.original.height, picture.original.width) == (700, 1400)
    corpus.GoodFile(
        f"orientation {turn}", data, corpus.quadrants(97, 193), corpus.LOSSY_TOLERANCE, lossy=True
    ).assert_shown_by(picture.pixels)


def test_original_tells_the_stored_orientation_and_how_far_it_was_reduced() -> None:
    upright = corpus.quadrants(60, 400)
    data = corpus.encode(corpus.stored(upright, 6), "PNG", exif=corpus.exif(6))
    assert decode(data, Canvas(513, 513)).original == Original(60, 400, orientation=6)
    reduced = decode(data, Canvas(101, 101)).original
    assert reduced == Original(60, 400, orientation=6, scale=101 / 400)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_limit_counts_the_pixels_that_the_header_claims(image_format: str) -> None:
    data = corpus.encode(corpus.quadrants(), image_format)
    assert decode(data, VOC, DecodeOptions(max_pixels=32 * 64)).pixels.shape == (32, 64, 3)
    with pytest.raises(DecodingError, match=r"claims 64 x 32 pixels") as caught:
        decode(data, VOC, DecodeOptions(max_pixels=32 * 64 - 1))
    assert caught.value.code is FailureCode.TOO_LARGE


def test_cameras_of_200_megapixels_are_within_the_limit() -> None:
    assert DEFAULT_MAX_PIXELS >= 16320 * 12240
    assert max(16320, 12240) <= MAX_SIDE


_CLAIMS_UNDER_A_MEMORY_LIMIT = """
import resource
from pathlib import Path
from tests import corpus
from beam_deeplab.transforms.decoding.decode import DecodingError, decode
from beam_deeplab.transforms.geometry import Canvas

canvas = Canvas(513, 513)
enormous = [entry for entry in corpus.bad_files() if entry.code == "TOO_LARGE"]
assert len(enormous) > 10
decode(corpus.encode(corpus.quadrants(600, 600), "JPEG"), canvas)
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + (64 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for entry in enormous:
    try:
        decode(entry.data, canvas)
    except DecodingError as error:
        assert "claims" in error.message, (entry.name, error.message)
    else:
        raise AssertionError(entry.name)
"""


_LARGE_PICTURES_WITHOUT_MEMORY = """
import resource, sys
from pathlib import Path
from beam_deeplab.transforms.decoding.decode import decode_image
from beam_deeplab.transforms.geometry import Canvas
from beam_deeplab.transforms.records import EncodedImage, FailureCode, ImageRef

def outcome(data):
    return getattr(decode_image(EncodedImage(ImageRef(""), data), Canvas(6000, 6000)), "code", None)

small, large = ([path.read_bytes() for path in Path(folder).iterdir()] for folder in sys.argv[1:])
assert {outcome(data) for data in small} == {None}
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + (15 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
codes = [outcome(data) for data in large]
assert set(codes) == {FailureCode.TOO_LARGE}, codes
assert {outcome(data) for data in small} == {None}
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads its size from /proc")
def test_pictures_that_do_not_fit_into_memory_are_too_large_and_nothing_else_suffers(
    tmp_path: Path,
) -> None:
    for side in (64, 6000):
        rgb = Image.new("RGB", (side, side))
        files = {
            "sequential.jpg": corpus.encode(rgb, "JPEG"),
            "progressive.jpg": corpus.encode(rgb, "JPEG", progressive=True),
            "rgb.png": corpus.encode(rgb, "PNG"),
            "lossless.webp": corpus.encode(rgb, "WEBP", lossless=True, method=0),
            "indexed.gif": corpus.encode(Image.new("P", (side, side)), "GIF"),
            "lzw.tif": corpus.encode(rgb, "TIFF", compression="tiff_lzw"),
        }
        (tmp_path / str(side)).mkdir()
        for name, data in files.items():
            (tmp_path / str(side) / name).write_bytes(data)
    child = subprocess.run(
        [
            *(sys.executable, "-c", _LARGE_PICTURES_WITHOUT_MEMORY),
            *(str(tmp_path / "64"), str(tmp_path / "6000")),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads its size from /proc")
def test_enormous_claims_are_refused_without_the_memory_for_them() -> None:
    child = subprocess.run(
        [sys.executable, "-c", _CLAIMS_UNDER_A_MEMORY_LIMIT],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr
