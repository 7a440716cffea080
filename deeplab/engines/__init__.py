"""Engines: ``logits = engine(images)``, whatever computes them.

TensorFlow and OpenVINO are imported only when an engine is loaded, TensorFlow also when a GPU is
looked for where a driver is installed.
"""

from __future__ import annotations

import sys

from beam_deeplab.deeplab.engines.choice import ENGINES as ENGINES
from beam_deeplab.deeplab.engines.choice import PRECISIONS as PRECISIONS
from beam_deeplab.deeplab.engines.choice import EngineChoice as EngineChoice
from beam_deeplab.deeplab.engines.choice import check_engine as check_engine
from beam_deeplab.deeplab.engines.choice import check_gpu as check_gpu
from beam_deeplab.deeplab.engines.choice import choose_engine as choose_engine
from beam_deeplab.deeplab.engines.choice import has_gpu as has_gpu
from beam_deeplab.deeplab.engines.cores import available_cores as available_cores
from beam_deeplab.deeplab.engines.interface import Engine as Engine
from beam_deeplab.deeplab.engines.interface import EngineError as EngineError
from beam_deeplab.deeplab.engines.loading import load_engine as load_engine
from beam_deeplab.deeplab.engines.scales import ScaleError as ScaleError
from beam_deeplab.deeplab.engines.scales import checked_scales as checked_scales

# OpenVINO reports its use to its makers, and fails where the user has no home, if it finds this.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # what importing heeds
