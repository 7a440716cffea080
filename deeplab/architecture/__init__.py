"""The DeepLab-v3 and v3+ networks in Keras 3.

Configurations load at once; what builds networks loads Keras, and does so when first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from beam_deeplab.deeplab.architecture.config import AsppConfig as AsppConfig
from beam_deeplab.deeplab.architecture.config import DecoderConfig as DecoderConfig
from beam_deeplab.deeplab.architecture.config import DeepLabConfig as DeepLabConfig

if TYPE_CHECKING:
    from beam_deeplab.deeplab.architecture.builder import build_network as build_network
    from beam_deeplab.deeplab.architecture.layers import official_variables as official_variables

_BUILT_ON_KERAS = {
    "build_network": "beam_deeplab.deeplab.architecture.builder",
    "official_variables": "beam_deeplab.deeplab.architecture.layers",
}


def __getattr__(name: str) -> Any:
    if name not in _BUILT_ON_KERAS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_BUILT_ON_KERAS[name]), name)
