"""Training: pictures with truth in, a network that ``--model`` takes out; Keras on TensorFlow.

Configurations, pairs and samples load at once; what trains loads TensorFlow, and does so when
first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from beam_deeplab.deeplab.training.config import ConfigError as ConfigError
from beam_deeplab.deeplab.training.config import TrainingConfig as TrainingConfig
from beam_deeplab.deeplab.training.config_file import parse_config as parse_config
from beam_deeplab.deeplab.training.config_file import read_config as read_config
from beam_deeplab.deeplab.training.pairs import DataError as DataError
from beam_deeplab.deeplab.training.pairs import Pair as Pair
from beam_deeplab.deeplab.training.pairs import list_data as list_data
from beam_deeplab.deeplab.training.samples import SampleReader as SampleReader
from beam_deeplab.deeplab.training.samples import load_samples as load_samples
from beam_deeplab.deeplab.training.state import EpochRecord as EpochRecord
from beam_deeplab.deeplab.training.state import StateError as StateError
from beam_deeplab.deeplab.training.state import identify as identify

if TYPE_CHECKING:
    from beam_deeplab.deeplab.training.trainer import TrainingData as TrainingData
    from beam_deeplab.deeplab.training.trainer import TrainingError as TrainingError
    from beam_deeplab.deeplab.training.trainer import prepare_network as prepare_network
    from beam_deeplab.deeplab.training.trainer import train as train

_BUILT_ON_TENSORFLOW = ("TrainingData", "TrainingError", "prepare_network", "train")


def __getattr__(name: str) -> Any:
    if name not in _BUILT_ON_TENSORFLOW:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("beam_deeplab.deeplab.training.trainer"), name)
