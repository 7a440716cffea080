"""Engines: ``logits = engine(images)``, whatever computes them.

TensorFlow and OpenVINO are imported only when an engine is loaded, TensorFlow also when a GPU is
looked for where a driver is installed.
"""

from __future__ import annotations

from deeplab.engines.choice import ENGINES as ENGINES
from deeplab.engines.choice import PRECISIONS as PRECISIONS
from deeplab.engines.choice import EngineChoice as EngineChoice
from deeplab.engines.choice import EngineError as EngineError
from deeplab.engines.choice import check_engine as check_engine
from deeplab.engines.choice import choose_engine as choose_engine
from deeplab.engines.choice import has_gpu as has_gpu
from deeplab.engines.cores import available_cores as available_cores
from deeplab.engines.engine import Engine as Engine
from deeplab.engines.engine import load_engine as load_engine
from deeplab.engines.scales import ScaleError as ScaleError
from deeplab.engines.scales import checked_scales as checked_scales

__all__ = [
    "ENGINES",
    "PRECISIONS",
    "Engine",
    "EngineChoice",
    "EngineError",
    "ScaleError",
    "available_cores",
    "check_engine",
    "checked_scales",
    "choose_engine",
    "has_gpu",
    "load_engine",
]
