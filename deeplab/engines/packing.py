"""One network converted for several canvases, with its weights kept once.

An IR of OpenVINO is a description (``.xml``) and the constants that it points into (``.bin``).
Conversions for other canvases differ in a few constants of some bytes: seven canvases of
MobileNet-v2 have 59 MB of them, 8.5 MB of which are distinct.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from beam_deeplab.deeplab.engines.interface import EngineError

if TYPE_CHECKING:
    import openvino as ov

IR_NAME = "network.xml"
"""The description of a network converted for one canvas; its constants are ``network.bin``."""

_WEIGHTS_NAME = "weights.bin"
_PLACE = re.compile(r'offset="(\d+)" size="(\d+)"')
_ALIGNMENT = 64


class NetworkPack:
    """Files of one network for any number of canvases."""

    def __init__(self) -> None:
        self._weights = bytearray()
        self._offsets: dict[bytes, int] = {}
        self._descriptions: dict[str, bytes] = {}

    def add(self, canvas: tuple[int, int], folder: Path) -> None:
        """Adds what was converted for a canvas, (height, width), into a folder."""
        description = folder / IR_NAME
        constants = description.with_suffix(".bin").read_bytes()

        def moved(place: re.Match[str]) -> str:
            offset, size = int(place[1]), int(place[2])
            return f'offset="{self._offset_of(constants[offset : offset + size])}" size="{size}"'

        text, places = _PLACE.subn(moved, description.read_text("utf-8"))
        assert places == text.count('type="Const"'), "a constant is described in other words"
        self._descriptions[_name_for(canvas)] = text.encode()

    def files(self) -> dict[str, bytes]:
        """Content by name, for :func:`read_packed`."""
        return {**self._descriptions, _WEIGHTS_NAME: bytes(self._weights)}

    def _offset_of(self, constant: bytes) -> int:
        digest = hashlib.sha256(constant).digest()
        if digest not in self._offsets:
            self._weights.extend(bytes(-len(self._weights) % _ALIGNMENT))
            self._offsets[digest] = len(self._weights)
            self._weights.extend(constant)
        return self._offsets[digest]


def read_packed(core: ov.Core, folder: Path, canvas: tuple[int, int]) -> ov.Model:
    """The network for a canvas from a folder of :meth:`NetworkPack.files`.

    Raises:
        EngineError: It is not among them.
    """
    description = folder / _name_for(canvas)
    if not description.is_file():
        raise EngineError(f"the staged model was not converted for {canvas[0]} x {canvas[1]}")
    return core.read_model(description, folder / _WEIGHTS_NAME)


def _name_for(canvas: tuple[int, int]) -> str:
    return f"network-{canvas[0]}x{canvas[1]}.xml"
