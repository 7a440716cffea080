"""The few TensorFlow messages that weights are kept in, without TensorFlow.

Field numbers are those of ``tensorflow/core/framework/*.proto`` and
``tensorflow/core/protobuf/tensor_bundle.proto``; fields that nobody here looks at are left out,
and skipped by the parser.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import ml_dtypes
import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

# A star marks what is repeated.
_FIELDS: dict[str, dict[str, tuple[int, str]]] = {
    "Dimension": {"size": (1, "int64")},
    "Shape": {"dim": (2, "*Dimension")},
    "Tensor": {
        "dtype": (1, "int32"),
        "tensor_shape": (2, "Shape"),
        "tensor_content": (4, "bytes"),
        "float_val": (5, "*float"),
        "double_val": (6, "*double"),
        "int_val": (7, "*int32"),
        "int64_val": (10, "*int64"),
        "half_val": (13, "*int32"),
    },
    "List": {"i": (3, "*int64")},
    "Attribute": {"list": (1, "List"), "shape": (7, "Shape"), "tensor": (8, "Tensor")},
    "NamedAttribute": {"key": (1, "string"), "value": (2, "Attribute")},
    "Node": {
        "name": (1, "string"),
        "op": (2, "string"),
        "input": (3, "*string"),
        "attr": (5, "*NamedAttribute"),
    },
    "Graph": {"node": (1, "*Node")},
    "BundleHeader": {"num_shards": (1, "int32"), "endianness": (2, "int32")},
    "BundleEntry": {
        "dtype": (1, "int32"),
        "shape": (2, "Shape"),
        "shard_id": (3, "int32"),
        "offset": (4, "int64"),
        "size": (5, "int64"),
        "crc32c": (6, "fixed32"),
        "slices": (7, "*bytes"),
    },
}
_Field = descriptor_pb2.FieldDescriptorProto
_PACKAGE = "beam_deeplab"

FLOATS: Final[Mapping[int, np.dtype[Any]]] = MappingProxyType(
    {
        1: np.dtype("<f4"),
        2: np.dtype("<f8"),
        14: np.dtype(ml_dtypes.bfloat16),
        19: np.dtype("<f2"),
    }
)
"""Types of floating-point numbers by TensorFlow's ``DataType``."""


def _message_classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(
        name="weights.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for field_name, (number, type_name) in fields.items():
            kind = type_name.removeprefix("*")
            field = message.field.add(name=field_name, number=number)
            field.label = _Field.LABEL_OPTIONAL if kind == type_name else _Field.LABEL_REPEATED
            if kind in _FIELDS:
                field.type, field.type_name = _Field.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
            else:
                field.type = getattr(_Field, f"TYPE_{kind.upper()}")
    # A pool of its own: TensorFlow may register the same names in the common one.
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in _FIELDS
    }


_CLASSES = _message_classes()


def parse(kind: str, content: bytes) -> Any:
    """Parses a serialised ``Graph``, ``BundleHeader`` or ``BundleEntry``.

    Raises:
        ValueError: It is damaged.
    """
    try:
        return _CLASSES[kind].FromString(content)
    except (DecodeError, RecursionError) as error:
        raise ValueError("it is damaged, or something else") from error


def new(kind: str) -> Any:
    """An empty message, to write one."""
    return _CLASSES[kind]()


def shape_of(message: Any) -> tuple[int, ...]:
    """A ``Shape`` as a tuple."""
    return tuple(dimension.size for dimension in message.dim)
