"""Official weights of any claim, sound or not, written without TensorFlow."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from beam_deeplab.deeplab.checkpoints.messages import new

Shape = tuple[int, ...]


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def _masked(data: bytes) -> int:
    checksum: int = google_crc32c.value(data)
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF


def table(entries: Mapping[bytes, bytes]) -> bytes:
    """A sorted table as LevelDB keeps it, in one block."""
    content = bytearray()

    def block(items: Mapping[bytes, bytes]) -> bytes:
        body = bytearray()
        for key in sorted(items):
            body += _varint(0) + _varint(len(key)) + _varint(len(items[key])) + key + items[key]
        body += struct.pack("<II", 0, 1)
        handle = _varint(len(content)) + _varint(len(body))
        content.extend(body + b"\0" + struct.pack("<I", _masked(bytes(body) + b"\0")))
        return handle

    index = block({max(entries, default=b""): block(entries)})
    footer = (block({}) + index).ljust(40, b"\0")
    return bytes(content) + footer + (0xDB4775248B80FB57).to_bytes(8, "little")


def _shape(message: Any, shape: Shape) -> None:
    for side in shape:
        message.dim.add(size=side)


def write_bundle(
    prefix: Path,
    values: Mapping[str, NDArray[Any]],
    claims: Mapping[str, Shape] | None = None,
    shards: int = 1,
) -> Path:
    """Writes float32 variables as a TF1 checkpoint.

    Args:
        prefix: Of its two files.
        values: The variables by name.
        claims: Shapes that the index claims instead of the true ones.
        shards: How many data files the header claims.
    """
    header = new("BundleHeader")
    header.num_shards = shards
    entries, data = {b"": header.SerializeToString()}, bytearray()
    for name, value in values.items():
        content = np.asarray(value, np.float32).tobytes()
        entry = new("BundleEntry")
        entry.dtype, entry.offset, entry.size = 1, len(data), len(content)
        entry.crc32c = _masked(content)
        _shape(entry.shape, (claims or {}).get(name, value.shape))
        entries[name.encode()] = entry.SerializeToString()
        data += content
    prefix.parent.mkdir(parents=True, exist_ok=True)
    Path(f"{prefix}.data-00000-of-00001").write_bytes(data)
    Path(f"{prefix}.index").write_bytes(table(entries))
    return prefix


def constant(graph: Any, name: str, dtype: int, shape: Shape, **values: Any) -> None:
    """Adds a constant to a ``Graph`` message; values are fields of its tensor."""
    node = graph.node.add(name=name, op="Const")
    tensor = node.attr.add(key="value").value.tensor
    tensor.dtype = dtype
    _shape(tensor.tensor_shape, shape)
    for field, value in values.items():
        if isinstance(value, bytes):
            setattr(tensor, field, value)
        else:
            getattr(tensor, field).extend(value)


def graph_of(shapes: Mapping[str, Shape]) -> Any:
    """A graph of constants that each repeat one value."""
    graph = new("Graph")
    for name, shape in shapes.items():
        constant(graph, name, 1, shape, float_val=[0.5])
    return graph


def write_safetensors(
    folder: Path,
    shapes: Mapping[str, Shape],
    description: Mapping[str, Any],
    data: bytes = b"",
) -> Path:
    """Writes our own format with claimed shapes; each tensor's data is all of ``data``."""
    import hashlib

    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: {"dtype": "F32", "shape": list(shape), "data_offsets": [0, len(data)]}
        for name, shape in shapes.items()
    }
    metadata = {"__metadata__": {"deeplab": json.dumps(description, sort_keys=True)}}
    header = json.dumps({**metadata, **tensors}).encode()
    content = struct.pack("<Q", len(header)) + header + data
    (folder / "weights.safetensors").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    (folder / "model.json").write_text(json.dumps({**description, "digest": digest}))
    return folder
