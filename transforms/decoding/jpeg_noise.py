"""Telling stray bytes in a JPEG's entropy-coded data from damage.

libjpeg warns of "extraneous bytes before marker" where a scan was complete before its bytes ended.
Faulty cameras and scanners leave such bytes, and every decoder shows the same sound picture. But a
scan of which some bytes were changed mostly ends early, too: the codes fall into step again behind
the damage, and everything after it is out of place. The difference is in the bytes left over. Of a
damaged scan they are the rest of the picture: whole blocks to the end, and then the padding of ones
that T.81 (F.1.2.3) asks for. So the scan is decoded again as if the picture were longer, to see
whether it comes out even.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from functools import partial
from math import ceil, prod

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from beam_deeplab.transforms.decoding.jpeg_structure import (
    DRI,
    EOI,
    SOS,
    Segment,
    Structure,
    count_scans,
    segments,
)

# What is decoded on trial, in pixels times scans: some seconds of one CPU. Where that does not do,
# stray bytes count as damage. A trial costs as much as some pixels even if it has none.
_MOST_WORK = 3_000_000_000
_WORK_OF_A_TRIAL = 100_000
# Whole pictures that are compared lie outside the budget of memory.
_MOST_COMPARED = 16_000_000
_READ_AHEAD = 8
_LONGEST_SIDE = 65_500
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_EXTRANEOUS = re.compile(r"(\d+) extraneous bytes before marker 0x([0-9a-f]{2})")
_TABLES = (0xC4, 0xDB)
_HUFFMAN_SOF = (0xC0, 0xC1, 0xC2)
_END = b"\xff\xd9"
_COLOURS = {1: "GRAY", 3: "RGB", 4: "CMYK"}


def has_only_noise(data: bytes, structure: Structure) -> bool:
    """Whether a file whose scans leave bytes over is sound otherwise.

    Every scan must have been complete before its bytes ended, and these be no part of it. There is
    nothing but segments before the first scan.
    """
    frame = structure.frame
    if len(frame.sampling) not in _COLOURS or data[frame.segment.begin + 1] not in _HUFFMAN_SOF:
        return False
    scans = count_scans(data, structure)
    trials = _Trials(_COLOURS[len(frame.sampling)], scans)
    try:
        if scans == 1:
            return _scan_has_only_noise(data, structure, trials)
        return _scans_have_only_noise(data, structure, trials)
    except _TooMuchWorkError:
        return False


class _TooMuchWorkError(Exception):
    pass


class _Trials:
    """Decodes files on trial, as long as that does not take too long."""

    def __init__(self, colours: str, scans: int) -> None:
        self._colours = colours
        self._scans = scans
        self._left = _MOST_WORK

    def warning(self, data: bytes, pixels: int) -> str:
        """The first warning of libjpeg about a file of so many pixels; empty if there is none."""
        self._work(pixels)
        try:
            simplejpeg.decode_jpeg(data, self._colours, min_height=1, min_width=1)
        except ValueError as error:
            return str(error) or "damaged"
        return ""

    def pixels(self, data: bytes, pixels: int) -> NDArray[np.uint8] | None:
        """What it shows in full, whatever the warnings; None if that is nothing, or too much."""
        self._work(pixels)
        if pixels > _MOST_COMPARED:
            return None
        try:
            shown: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, self._colours, strict=False)
        except ValueError:
            return None
        return shown

    def _work(self, pixels: int) -> None:
        self._left -= pixels * self._scans + _WORK_OF_A_TRIAL
        if self._left < 0:
            raise _TooMuchWorkError


def _scan_has_only_noise(data: bytes, structure: Structure, trials: _Trials) -> bool:
    """The same for a file of one sequential scan."""
    frame = structure.frame
    interval = 0
    for segment in structure.segments:
        if segment.marker == DRI:
            (interval,) = struct.unpack_from(">H", data, segment.begin + 4)
    end = next(segments(data, structure.scan.end, in_scan=True), None)
    if end is None or end.marker != EOI:
        return False
    coded = data[structure.scan.end : end.begin]
    rows, columns = _unit(structure)
    units = -(-frame.height // rows) * -(-frame.width // columns)
    interval = interval or units
    restarts = [found[0][1] for found in _RESTART.finditer(coded)]
    if restarts != [0xD0 + each % 8 for each in range(-(-units // interval) - 1)]:
        return False
    parts = _RESTART.split(coded)
    strip = _Strip(data, structure, trials)
    return all(
        strip.has_only_noise(part, min(interval, units - index * interval))
        for index, part in enumerate(parts)
    )


def _unit(structure: Structure) -> tuple[int, int]:
    """Rows and columns of the blocks that a scan codes together."""
    sampling = structure.frame.sampling
    if len(sampling) == 1:
        return 8, 8
    return 8 * max(down for _, down in sampling), 8 * max(across for across, _ in sampling)


class _Strip:
    """Decodes a part of a scan as a picture of its own, of any number of units."""

    def __init__(self, data: bytes, structure: Structure, trials: _Trials) -> None:
        frame, scan = structure.frame.segment, structure.scan
        tables = [
            data[each.begin : each.end] for each in structure.segments if each.marker in _TABLES
        ]
        self._before = b"\xff\xd8" + b"".join(tables) + data[frame.begin : frame.begin + 5]
        self._after = data[frame.begin + 9 : frame.end] + data[scan.begin : scan.end]
        self._unit = _unit(structure)
        self._components = len(structure.frame.sampling)
        self._trials = trials

    def has_only_noise(self, coded: bytes, units: int) -> bool:
        """Whether so many units come out whole, and what is left over is no part of the scan."""
        warning = self._warning(coded, units)
        if not warning:
            return True
        extraneous = _EXTRANEOUS.search(warning)
        if extraneous is None:
            return False
        # A block has at least two bits. With ``low`` units bytes are left over, with ``high`` none.
        low, high = units, units + 4 * int(extraneous[1]) // self._components + 2
        while True:
            middle = self._possible((low + high + 1) // 2, high)
            if middle == high:
                middle = self._possible(low + 1, high)
            if middle == high:
                return True
            warning = self._warning(coded, middle)
            if not warning:
                return _unused_ones(partial(self._pixels, units=middle), coded) is None
            low, high = (middle, high) if _EXTRANEOUS.search(warning) else (low, middle)

    def _possible(self, units: int, limit: int) -> int:
        """The next number of units that can be laid out as a picture, or the limit."""
        return next((each for each in range(units, limit) if self._sides(each)), limit)

    def _sides(self, units: int) -> tuple[int, int] | None:
        rows, columns = self._unit
        least = ceil(units / (_LONGEST_SIDE // rows))
        for across in range(least, min(4 * least, _LONGEST_SIDE // columns) + 1):
            if units % across == 0:
                return units // across * rows, across * columns
        return None

    def _file(self, coded: bytes, units: int) -> bytes:
        sides = self._sides(units) or (0, 0)
        return self._before + struct.pack(">HH", *sides) + self._after + coded + _END

    def _warning(self, coded: bytes, units: int) -> str:
        return self._trials.warning(self._file(coded, units), units * prod(self._unit))

    def _pixels(self, coded: bytes, units: int) -> NDArray[np.uint8] | None:
        return self._trials.pixels(self._file(coded, units), units * prod(self._unit))


def _scans_have_only_noise(data: bytes, structure: Structure, trials: _Trials) -> bool:
    """The same for progressive files, of which no scan can be decoded alone.

    The bytes left over are taken away, and what is before them must end with padding.
    """
    pixels = structure.frame.height * structure.frame.width
    while True:
        warning = trials.warning(data, pixels)
        if not warning:
            return True
        extraneous = _EXTRANEOUS.search(warning)
        if extraneous is None:
            return False
        count, marker = int(extraneous[1]), int(extraneous[2], 16)
        mended = _without_bytes_before(data, structure, trials, count, marker)
        if mended is None:
            return False
        data = mended


def _without_bytes_before(
    data: bytes, structure: Structure, trials: _Trials, count: int, marker: int
) -> bytes | None:
    pixels = structure.frame.height * structure.frame.width
    before: Segment = structure.scan
    for segment in segments(data, structure.scan.end, in_scan=True):
        if before.marker == SOS and segment.marker == marker:
            rest = data[segment.begin :]
            # Libjpeg does not count what it has read ahead: the scan ends where one byte less is
            # too few.
            for end in range(segment.begin - count - _READ_AHEAD, segment.begin - count + 1):
                mended = data[:end] + rest
                warning = trials.warning(mended, pixels)
                if warning and not _EXTRANEOUS.search(warning):
                    continue
                shown = partial(_shown, trials, pixels, rest)
                if _unused_ones(shown, data[:end]):
                    return mended
                break
        before = segment
    return None


def _unused_ones(decode: Callable[[bytes], NDArray[np.uint8] | None], coded: bytes) -> int | None:
    """How many bits at the end nothing depends on; None if they are not all ones."""
    if coded.endswith(b"\xff\0"):
        return 8
    last, pixels = coded[-1], decode(coded)
    unused = 0
    while unused < 8:
        byte = last ^ 1 << unused
        changed = decode(coded[:-1] + (bytes((byte,)) if byte < 0xFF else b"\xff\0"))
        if changed is None or pixels is None or not np.array_equal(changed, pixels):
            break
        unused += 1
    return unused if (last + 1) % (1 << unused) == 0 else None


def _shown(trials: _Trials, pixels: int, rest: bytes, coded: bytes) -> NDArray[np.uint8] | None:
    return trials.pixels(coded + rest, pixels)
