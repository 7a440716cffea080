"""Official TF1 checkpoints, frozen graphs and our own weights, into a network's variables.

Digests and the choice of files need nothing but the standard library; TensorFlow loads when a
checkpoint is opened, Keras when a network is built.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from beam_deeplab.deeplab.checkpoints.checkpoint import Checkpoint as Checkpoint
from beam_deeplab.deeplab.checkpoints.checkpoint import open_checkpoint as open_checkpoint
from beam_deeplab.deeplab.checkpoints.files import CheckpointError as CheckpointError
from beam_deeplab.deeplab.checkpoints.files import digest_of as digest_of
from beam_deeplab.deeplab.checkpoints.files import find_weights as find_weights
from beam_deeplab.deeplab.checkpoints.structure import infer_config as infer_config

if TYPE_CHECKING:
    from beam_deeplab.deeplab.checkpoints.loading import assign_weights as assign_weights
    from beam_deeplab.deeplab.checkpoints.loading import load_network as load_network
    from beam_deeplab.deeplab.checkpoints.own import save_network as save_network

_LOADED_WHEN_ASKED_FOR = {
    "assign_weights": "beam_deeplab.deeplab.checkpoints.loading",
    "load_network": "beam_deeplab.deeplab.checkpoints.loading",
    "save_network": "beam_deeplab.deeplab.checkpoints.own",
}


def __getattr__(name: str) -> Any:
    if name not in _LOADED_WHEN_ASKED_FOR:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LOADED_WHEN_ASKED_FOR[name]), name)
