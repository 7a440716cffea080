"""Beam metrics of a run: what was done, and how long each stage took.

All are in the namespace ``beam_deeplab``. Counters: ``images``, ``masks`` or ``scores``,
``failures``, ``failures_<CODE>``, ``bytes_read``, ``bytes_written``. Distributions in
microseconds: for each image ``read_microseconds`` (how long it was waited for; ``gs://`` reads run
ahead), ``decode_microseconds``, ``mask_microseconds`` (label map, areas and PNG) and, where there
is a truth, ``score_microseconds``; for each batch that the network answers, at all scales together,
``engine_microseconds``, beside ``engine_batch_size``; for each dataset of a shard
``encode_microseconds`` and ``write_microseconds`` of its Parquet part, also if it has no rows.

``RunInference`` adds its own to the namespace. Of these, ``inference_request_batch_size`` and
``num_inferences`` count the failures of earlier steps that pass through a batch, and a batch that
was split counts once; ``engine_batch_size`` is what the network has really been given.
``model_byte_size`` is 0 where an optional module of Beam's is missing.

What is updated outside a running pipeline, or in a thread that a step has started by itself,
counts nowhere: Beam finds the step by its thread.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ContextDecorator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
from apache_beam.metrics import Metrics, MetricsFilter
from apache_beam.runners.runner import PipelineResult
from numpy.typing import NDArray

from beam_deeplab.transforms.records import Failure

NAMESPACE: Final = "beam_deeplab"

MISLEADING: Final = frozenset({"inference_request_batch_size", "model_byte_size", "num_inferences"})
"""Metrics of ``RunInference`` that :func:`job_metrics` leaves out."""

ItemT = TypeVar("ItemT")
_Images = NDArray[np.float32]


@functools.cache
def _counter(name: str) -> Any:
    return Metrics.counter(NAMESPACE, name)


@functools.cache
def _distribution(name: str) -> Any:
    return Metrics.distribution(NAMESPACE, name)


def count(name: str, amount: int = 1) -> None:
    """Adds to a counter of the step that runs."""
    _counter(name).inc(amount)


def record(name: str, value: int) -> None:
    """Adds a value to a distribution of the step that runs."""
    _distribution(name).update(value)


class Stopwatch(ContextDecorator):
    """Times a block, or a function that it decorates, exceptions included."""

    __slots__ = ("_name", "_start")

    def __init__(self, name: str) -> None:
        self._name = name

    def _recreate_cm(self) -> Stopwatch:
        """Each call of a decorated function has its own start: threads share the function."""
        return Stopwatch(self._name)

    def __enter__(self) -> None:
        self._start = time.perf_counter_ns()

    def __exit__(self, *_: object) -> None:
        record(self._name, (time.perf_counter_ns() - self._start) // 1000)


def timed(stage: str) -> Stopwatch:
    """Times what it surrounds or decorates into the distribution ``<stage>_microseconds``."""
    return Stopwatch(f"{stage}_microseconds")


def timed_each(stage: str, items: Iterable[ItemT]) -> Iterator[ItemT]:
    """Times how long each item is waited for, and not what is done with it meanwhile.

    Finding out that there is no further one does not count.
    """
    name = f"{stage}_microseconds"
    iterator = iter(items)
    while True:
        start = time.perf_counter_ns()
        try:
            item = next(iterator)
        except StopIteration:
            return
        record(name, (time.perf_counter_ns() - start) // 1000)
        yield item


def count_outcome(row: object, result: str = "masks") -> None:
    """Counts how one image ended: as a :class:`transforms.Failure`, or else as ``result``."""
    count("images")
    if isinstance(row, Failure):
        count("failures")
        count(f"failures_{row.code}")
    else:
        count(result)


def measured(engine: Callable[[_Images], _Images]) -> Callable[[_Images], _Images]:
    """An engine (:class:`deeplab.engines.Engine`) of which each call's pictures and time count."""

    def call(images: _Images) -> _Images:
        record("engine_batch_size", len(images))
        with timed("engine"):
            return engine(images)

    return call


@dataclass(frozen=True, slots=True)
class Spread:
    """A distribution of integers, as Beam keeps it."""

    count: int
    total: int
    minimum: int
    maximum: int

    @property
    def mean(self) -> float:
        """The values' mean."""
        return self.total / self.count

    def joined(self, other: Spread) -> Spread:
        """The distribution of both together."""
        return Spread(
            self.count + other.count,
            self.total + other.total,
            min(self.minimum, other.minimum),
            max(self.maximum, other.maximum),
        )


def job_metrics(result: PipelineResult) -> dict[str, int | Spread]:
    """What a finished job has counted and measured, summed over its steps, by name.

    Without :data:`MISLEADING`, and empty where the runner keeps no metrics.
    """
    try:
        found = result.metrics().query(MetricsFilter().with_namespace(NAMESPACE))
    except NotImplementedError:
        return {}
    counters: dict[str, int] = {}
    for counter in found["counters"]:
        name = counter.key.metric.name
        counters[name] = counters.get(name, 0) + counter.result
    spreads: dict[str, Spread] = {}
    for distribution in found["distributions"]:
        values = distribution.result
        if values is None or not values.count:
            continue
        name = distribution.key.metric.name
        spread = Spread(values.count, values.sum, values.min, values.max)
        spreads[name] = spreads[name].joined(spread) if name in spreads else spread
    metrics: dict[str, int | Spread] = {**counters, **spreads}
    return {name: metrics[name] for name in sorted(metrics) if name not in MISLEADING}
