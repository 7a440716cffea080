"""TF1 checkpoints: tensor bundles, ``*.index`` with ``*.data-*``, read without TensorFlow.

TensorFlow's own reader ends the process where an index claims dimensions below 0 or above 2^63.
The index is a sorted table as LevelDB keeps it: blocks of entries whose keys share prefixes, a
block that says where they are, and a footer that says where that one is
(``tensorflow/core/lib/io/format.cc``, ``core/util/tensor_bundle/tensor_bundle.cc``).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from beam_deeplab.deeplab.checkpoints.checkpoint import Checkpoint
from beam_deeplab.deeplab.checkpoints.files import CheckpointError
from beam_deeplab.deeplab.checkpoints.messages import FLOATS, parse, shape_of

_OBJECT_GRAPH = b"_CHECKPOINTABLE_OBJECT_GRAPH"
_MAGIC = 0xDB4775248B80FB57
_FOOTER_BYTES = 48
_TRAILER = struct.Struct("<BI")
_LONGEST_VARINT = 10


def open_tensor_bundle(prefix: Path, digest: str) -> Checkpoint:
    """Opens a checkpoint that ``tf.compat.v1.train.Saver`` wrote, by its path without ``.index``.

    Only its floating-point variables are seen.

    Raises:
        CheckpointError: The files are damaged, or hold objects instead of named variables.
    """
    try:
        table = dict(_read_table(Path(f"{prefix}.index").read_bytes()))
        header = parse("BundleHeader", table.pop(b"", b""))
        if header.endianness:
            raise ValueError("it was written on a big-endian machine")
        if _OBJECT_GRAPH in table:
            raise ValueError("it is a TF2 object checkpoint: give one with TF1's variable names")
        entries = {
            key.decode(): entry
            for key, value in table.items()
            if (entry := parse("BundleEntry", value)).dtype in FLOATS
        }
    except (ValueError, OSError) as error:
        raise CheckpointError(f"{prefix}.index cannot be read: {error}") from error

    def read(name: str) -> NDArray[np.float32]:
        entry = entries[name]
        shard = Path(f"{prefix}.data-{entry.shard_id:05d}-of-{header.num_shards:05d}")
        try:
            return _read_tensor(shard, entry)
        except (ValueError, OSError) as error:
            raise CheckpointError(f"{name} of {prefix} cannot be read: {error}") from error

    shapes = {name: shape_of(entry.shape) for name, entry in entries.items()}
    return Checkpoint(prefix, shapes, digest, read)


def _read_tensor(shard: Path, entry: Any) -> NDArray[np.float32]:
    shape, number = shape_of(entry.shape), FLOATS[entry.dtype]
    if entry.slices:
        raise ValueError("it is kept in slices: save it whole")
    if min(shape, default=1) < 0 or math.prod(shape) * number.itemsize != entry.size:
        raise ValueError(f"{entry.size} bytes are no tensor of shape {shape}")
    if entry.offset < 0 or entry.offset + entry.size > shard.stat().st_size:
        raise ValueError(f"{shard.name} is too short for it")
    with shard.open("rb") as file:
        file.seek(entry.offset)
        content = file.read(entry.size)
    if _masked_checksum(content) != entry.crc32c:
        raise ValueError("its checksum does not fit")
    return np.frombuffer(content, number).reshape(shape).astype(np.float32, copy=False)


def _read_table(index: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The keys and values of a table.

    Raises:
        ValueError: It is damaged.
    """
    footer = index[-_FOOTER_BYTES:]
    if len(footer) < _FOOTER_BYTES or footer[-8:] != _MAGIC.to_bytes(8, "little"):
        raise ValueError("it is no checkpoint's index, or cut short")
    _, place = _read_handle(footer, 0)
    blocks, _ = _read_handle(footer, place)
    for _, value in _read_block(index, *blocks):
        block, _ = _read_handle(value, 0)
        yield from _read_block(index, *block)


def _read_block(index: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    block, trailer = index[offset : offset + size], index[offset + size :][: _TRAILER.size]
    if len(block) < size or size < 4 or len(trailer) < _TRAILER.size:
        raise ValueError("it is cut short")
    compression, checksum = _TRAILER.unpack(trailer)
    if _masked_checksum(block + trailer[:1]) != checksum:
        raise ValueError("its checksum does not fit")
    if compression:
        raise ValueError("it is compressed, which no release of TensorFlow writes")
    end = size - 4 - 4 * int.from_bytes(block[-4:], "little")
    key, place = b"", 0
    while place < end:
        shared, place = _read_varint(block, place)
        added, place = _read_varint(block, place)
        length, place = _read_varint(block, place)
        if shared > len(key) or place + added + length > end:
            raise ValueError("its entries do not fit")
        key = key[:shared] + block[place : place + added]
        place += added
        yield key, block[place : place + length]
        place += length


def _read_handle(data: bytes, place: int) -> tuple[tuple[int, int], int]:
    """The offset and size of a block, and where what follows begins."""
    offset, place = _read_varint(data, place)
    size, place = _read_varint(data, place)
    return (offset, size), place


def _read_varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift, byte in enumerate(data[place : place + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value, place + shift + 1
    raise ValueError("its numbers are damaged")


def _masked_checksum(data: bytes) -> int:
    """CRC32C as tables and bundles keep it."""
    checksum: int = google_crc32c.value(data)
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF
