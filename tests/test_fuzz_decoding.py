"""Mutated files must end as a picture or a Failure, within bounds of size and memory.

``DECODER_FUZZ_CASES`` sets how many cases run, ``DECODER_FUZZ_FIRST`` the first of them. Case ``n``
is always the same file (given the same ``DEEPLAB_SHARED``, whose photo the seeds show), so that a
failure is repeated by ``DECODER_FUZZ_FIRST=n DECODER_FUZZ_CASES=1``.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import resource
import struct
import sys
import traceback
import zlib
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from beam_deeplab.transforms.decoding.decode import DecodeOptions, decode_image
from beam_deeplab.transforms.decoding.png import PNG_SIGNATURE, png_chunks
from beam_deeplab.transforms.geometry import Canvas
from beam_deeplab.transforms.records import DecodedImage, EncodedImage, Failure, ImageRef
from tests import corpus

CASES = int(os.environ.get("DECODER_FUZZ_CASES", "600"))
FIRST = int(os.environ.get("DECODER_FUZZ_FIRST", "0"))

CANVAS = Canvas(65, 97)
MAX_PIXELS = 4_000_000
OPTIONS = DecodeOptions(MAX_PIXELS)
# Twelve bytes a pixel, and room for what libraries and allocators keep.
MEMORY_BYTES = 12 * MAX_PIXELS + (160 << 20)
HEADER_BYTES = 80
FILE_NAMES = (
    "jpeg",
    "progressive",
    "png",
    "webp",
    "lossless",
    "animated",
    "gif",
    "bmp",
    "tiff",
    "planes",
    "heic",
    "avif",
)
KINDS = ("flip", "cut", "splice", "foreign splice", "field", "noise", "repeat")
_EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)


@functools.cache
def seed_files() -> dict[str, bytes]:
    """Whole files of every format to start from; they show a photo where one is at hand."""
    picture = corpus.texture()
    shared = os.environ.get("DEEPLAB_SHARED")
    if shared:
        photo = min((Path(shared) / "voc" / "JPEGImages").glob("*.jpg"))
        small = Image.open(photo).convert("RGB").reduce(4)
        picture = np.asarray(small)
    image = Image.fromarray(picture)
    mirrored = Image.fromarray(np.ascontiguousarray(picture[::-1]))
    rgba = np.dstack([picture, picture[..., 0]])
    named = {
        "jpeg": corpus.encode(picture, "JPEG", exif=corpus.exif(6)),
        "progressive": corpus.encode(picture, "JPEG", progressive=True),
        "png": corpus.encode(picture, "PNG", exif=corpus.exif(3)),
        "webp": corpus.encode(rgba, "WEBP", exif=corpus.exif(8)),
        "lossless": corpus.encode(picture, "WEBP", lossless=True),
        "animated": corpus.encode(image, "WEBP", save_all=True, append_images=[mirrored]),
        "gif": corpus.encode(image.quantize(64), "GIF"),
        "bmp": corpus.encode(image.quantize(64), "BMP"),
        "tiff": corpus.encode(picture, "TIFF", compression="tiff_lzw"),
        "planes": corpus.tiff(picture.astype(np.uint16) * 257, planes_apart=True),
        "heic": corpus.heic(picture, exif=corpus.exif(6)),
        "avif": corpus.encode(picture, "AVIF", exif=corpus.exif(6)),
    }
    assert tuple(named) == FILE_NAMES
    return named | {entry.name: entry.data for entry in corpus.good_files()}


def mutated(case: int) -> bytes:
    """The file of one case: one to three mutations of a seed file."""
    random = np.random.default_rng([0, case])
    files = seed_files()
    # Half of the cases start from the larger files, half from the corpus.
    names = FILE_NAMES if case % 2 else tuple(files)
    data = bytearray(files[names[random.integers(len(names))]])
    for _ in range(random.integers(1, 4)):
        data = _mutate(data, random)
    if data.startswith(PNG_SIGNATURE) and random.integers(2):
        # Or their checksums would hide most mutations from the decoder.
        _mend_checksums(data)
    return bytes(data)


def _mend_checksums(data: bytearray) -> None:
    for _, begin, end in png_chunks(bytes(data)):
        data[end : end + 4] = struct.pack(">I", zlib.crc32(data[begin - 4 : end]))


def _mutate(data: bytearray, random: np.random.Generator) -> bytearray:
    if not data:
        return data
    kind = KINDS[random.integers(len(KINDS))]
    at = int(random.integers(len(data)))
    length = min(int(random.integers(1, 64)), len(data) - at)
    if kind == "flip":
        for position in random.integers(0, len(data), random.integers(1, 9)):
            data[position] ^= 1 << int(random.integers(8))
    elif kind == "cut":
        del data[at:]
    elif kind == "splice":
        source = int(random.integers(len(data)))
        data[at : at + length] = data[source : source + int(random.integers(1, 64))]
    elif kind == "foreign splice":
        files = seed_files()
        other = files[FILE_NAMES[random.integers(len(FILE_NAMES))]]
        source = int(random.integers(len(other)))
        data[at:] = other[source:]
    elif kind == "field":
        place = int(random.integers(min(HEADER_BYTES, len(data))))
        value = int(_EXTREMES[random.integers(len(_EXTREMES))])
        width = 1 << int(random.integers(3))
        order = "<" if random.integers(2) else ">"
        mask = (1 << 8 * width) - 1
        field = struct.pack(order + {1: "B", 2: "H", 4: "I"}[width], value & mask)
        data[place : place + width] = field
    elif kind == "noise":
        data[at : at + length] = random.bytes(length)
    else:
        data[at:at] = data[at : at + length] * int(random.integers(1, 20))
    return data


def check(case: int) -> str:
    """Decode one case and return what became of it; whatever must not happen is an error."""
    data = mutated(case)
    result = decode_image(EncodedImage(ImageRef(f"case-{case}"), data), CANVAS, OPTIONS)
    if isinstance(result, Failure):
        assert "memory" not in result.message, result
        assert result.message
        assert "\n" not in result.message
        return result.code
    assert isinstance(result, DecodedImage)
    height, width, channels = result.pixels.shape
    assert result.pixels.dtype == np.uint8
    assert channels == 3
    assert 1 <= height <= min(CANVAS.height, result.original.height)
    assert 1 <= width <= min(CANVAS.width, result.original.width)
    assert result.original.height * result.original.width <= MAX_PIXELS
    return "decoded"


def campaign(first: int, cases: int, reports: Connection) -> None:
    """Run cases under a limit of memory; report each before it starts and all at the end."""
    seed_files()
    check(first)
    if sys.platform.startswith("linux"):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    outcomes: Counter[str] = Counter()
    for case in range(first, first + cases):
        reports.send(case)
        try:
            outcomes[check(case)] += 1
        except BaseException:  # the parent tells the case with it
            reports.send(traceback.format_exc())
            return
    reports.send(outcomes)


def test_mutated_files_end_as_a_picture_or_a_failure() -> None:
    context = multiprocessing.get_context("spawn")
    reports, sender = context.Pipe(duplex=False)
    child = context.Process(target=campaign, args=(FIRST, CASES, sender))
    child.start()
    sender.close()
    case = FIRST
    outcomes: Counter[str] | None = None
    try:
        while outcomes is None:
            report = reports.recv()
            if isinstance(report, int):
                case = report
            elif isinstance(report, str):
                pytest.fail(f"DECODER_FUZZ_FIRST={case} DECODER_FUZZ_CASES=1:\n{report}")
            else:
                outcomes = report
    except EOFError:
        child.join()
        pytest.fail(
            f"DECODER_FUZZ_FIRST={case} DECODER_FUZZ_CASES=1: the process ended with exit code"
            f" {child.exitcode}"
        )
    child.join()
    print(f"{CASES} cases from {FIRST}: {dict(outcomes)}")
    assert sum(outcomes.values()) == CASES
    if CASES >= 300:
        # Mutations that all fail early, or none, would show nothing.
        assert outcomes["decoded"] > CASES / 20
        assert outcomes["CORRUPT"] > CASES / 5
        assert outcomes["TOO_LARGE"] > 0


def test_a_case_is_the_same_file_every_time() -> None:
    assert [mutated(case) for case in range(20)] == [mutated(case) for case in range(20)]
    assert len({mutated(case) for case in range(20)}) > 15
