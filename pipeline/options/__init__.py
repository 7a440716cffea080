"""The flags of each command, parsed into frozen options; imports neither Beam nor TensorFlow."""

from __future__ import annotations

from pipeline.options.errors import RunFailedError as RunFailedError
from pipeline.options.errors import UsageError as UsageError
from pipeline.options.evaluate import EvaluateOptions as EvaluateOptions
from pipeline.options.network import NetworkOptions as NetworkOptions
from pipeline.options.segment import SegmentOptions as SegmentOptions
