"""The marker segments of a JPEG file, found the way libjpeg finds them.

What lies between two segments and is none is skipped, as every decoder does. Source: ITU-T T.81
annex B.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from beam_deeplab.transforms.decoding.formats import (
    MOST_BLOCKS,
    Header,
    ImageFormat,
    corrupt,
    unsupported,
)
from beam_deeplab.transforms.decoding.orientation import EXIF_PREFIX, XMP_PREFIX, stored_orientation

SOI, EOI, SOS, DRI = 0xD8, 0xD9, 0xDA, 0xDD
_APP1 = 0xE1
_IGNORED = frozenset({*range(0xE1, 0xEE), 0xEF, 0xFE})
_PROGRESSIVE = frozenset({0xC2, 0xCA})
_READABLE_SOF = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})

_MARKER = re.compile(rb"\xff([^\x00\xff])")
_MARKER_BEHIND_SCAN = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")


@dataclass(frozen=True, slots=True)
class Segment:
    """A marker with what belongs to it.

    Attributes:
        marker: Its second byte.
        begin: Where its last 0xFF is.
        end: Where its content ends; behind the marker if it has none.
    """

    marker: int
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Frame:
    """What the frame header says; ``sampling`` is (horizontal, vertical) of each component."""

    segment: Segment
    height: int
    width: int
    sampling: tuple[tuple[int, int], ...]
    is_progressive: bool


@dataclass(frozen=True, slots=True)
class Structure:
    """The segments of a file, the first scan's header (SOS) the last of them, and its frame's."""

    segments: tuple[Segment, ...]
    frame: Frame

    @property
    def scan(self) -> Segment:
        """The header of the first scan."""
        return self.segments[-1]


def segments(data: bytes, position: int = 2, *, in_scan: bool = False) -> Iterator[Segment]:
    """The segments from a position on, to the end of the file or of the picture (EOI).

    The position may lie ``in_scan``, inside entropy-coded bytes; those of scans that follow are
    passed over. Only segments that are there in full come, and EOI.

    Raises:
        DecodingError: CORRUPT if there are hundreds of thousands.
    """
    for _ in range(MOST_BLOCKS):
        found = (_MARKER_BEHIND_SCAN if in_scan else _MARKER).search(data, position)
        if found is None:
            return
        marker, begin, position = found[1][0], found.end() - 2, found.end()
        if marker in _WITHOUT_LENGTH:
            continue
        if marker != EOI:
            if position + 2 > len(data):
                return
            (length,) = struct.unpack_from(">H", data, position)
            position += max(length, 2)
            if position > len(data):
                return
            in_scan = marker == SOS
        yield Segment(marker, begin, position)
        if marker == EOI:
            return
    raise corrupt(ImageFormat.JPEG, f"it has more than {MOST_BLOCKS} segments")


def read_structure(data: bytes) -> Structure:
    """Read a file up to its first scan.

    Raises:
        DecodingError: UNSUPPORTED_FORMAT if it is of a kind that is not decoded, CORRUPT if there
            is no frame header or no scan.
    """
    found: list[Segment] = []
    frame: Frame | None = None
    for segment in segments(data):
        found.append(segment)
        if segment.marker in (SOS, EOI):
            break
        if segment.marker in _SOF and frame is None:
            frame = _read_frame(data, segment)
    if frame is None:
        raise corrupt(ImageFormat.JPEG, "there is no frame header before the first scan")
    if found[-1].marker != SOS:
        raise corrupt(ImageFormat.JPEG, "the file ends before its first scan")
    return Structure(tuple(found), frame)


def read_header(data: bytes) -> Header:
    """Read what a JPEG claims; see :func:`transforms.decoding.codecs.read_header`."""
    structure = read_structure(data)
    frame = structure.frame
    # The coefficients of all scans are held at once.
    has_more_scans = frame.is_progressive or _scan_components(data, structure) < len(frame.sampling)
    return Header(
        ImageFormat.JPEG,
        frame.height,
        frame.width,
        stored_orientation(
            _first_block(data, structure.segments, EXIF_PREFIX),
            _first_block(data, structure.segments, XMP_PREFIX),
        ),
        pixel_bytes=8,
        stored_bytes=2 * len(frame.sampling) if has_more_scans else 0,
    )


def count_scans(data: bytes, structure: Structure) -> int:
    """How many scans there are at most, each of which may pass over the whole picture."""
    if not structure.frame.is_progressive and _scan_components(data, structure) == len(
        structure.frame.sampling
    ):
        return 1  # decoders stop when every component has been seen
    return 1 + sum(
        segment.marker == SOS for segment in segments(data, structure.scan.end, in_scan=True)
    )


def without_strays(data: bytes, structure: Structure) -> bytes:
    """The file without what lies between the segments before its scan.

    Comments and applications' segments go too, except those that tell the colour space.
    """
    kept = (
        data[segment.begin : segment.end]
        for segment in structure.segments
        if segment.marker not in _IGNORED
    )
    return b"".join((b"\xff\xd8", *kept, data[structure.scan.end :]))


def _scan_components(data: bytes, structure: Structure) -> int:
    return data[structure.scan.begin + 4]


def _read_frame(data: bytes, segment: Segment) -> Frame:
    precision, height, width, components = struct.unpack_from(">BHHB", data, segment.begin + 4)
    if precision != 8 or segment.marker not in _READABLE_SOF:
        raise unsupported(
            ImageFormat.JPEG,
            f"{precision} bits a sample, process SOF{segment.marker - 0xC0}:"
            " only baseline, sequential and progressive files of 8 bits are read",
        )
    factors = data[segment.begin + 11 : segment.end : 3][:components]
    sampling = tuple((factor >> 4, factor & 15) for factor in factors)
    return Frame(segment, height, width, sampling, segment.marker in _PROGRESSIVE)


def _first_block(data: bytes, found: tuple[Segment, ...], prefix: bytes) -> bytes | None:
    return next(
        (
            data[segment.begin + 4 : segment.end].removeprefix(prefix)
            for segment in found
            if segment.marker == _APP1 and data.startswith(prefix, segment.begin + 4)
        ),
        None,
    )
