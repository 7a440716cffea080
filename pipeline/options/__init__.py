"""The flags of each command, parsed into frozen options; imports neither Beam nor TensorFlow."""

from __future__ import annotations

from beam_deeplab.pipeline.options.errors import RunFailedError as RunFailedError
from beam_deeplab.pipeline.options.errors import UsageError as UsageError
from beam_deeplab.pipeline.options.errors import refusing as refusing
from beam_deeplab.pipeline.options.evaluate import EvaluateOptions as EvaluateOptions
from beam_deeplab.pipeline.options.network import NetworkOptions as NetworkOptions
from beam_deeplab.pipeline.options.segment import SegmentOptions as SegmentOptions
