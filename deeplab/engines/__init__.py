"""Engines: ``logits = engine(images)``, whatever computes them.

TensorFlow is imported only when an engine is loaded.
"""

from __future__ import annotations

from deeplab.engines.engine import Engine as Engine
from deeplab.engines.engine import load_engine as load_engine

__all__ = ["Engine", "load_engine"]
