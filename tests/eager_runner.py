"""A runner for tests: each step of a pipeline at once, in this process, for any number of times.

It knows what batch pipelines over metadata are made of. An element is handed on as it is, without
coders; so what a step changes in its input would show. A step can be made to run twice, its first
results being lost, as after a worker that was held for dead.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Iterable
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.internal.util import ArgumentPlaceholder
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pipeline import AppliedPTransform, PipelineVisitor
from apache_beam.pvalue import AsIter, AsSingleton, PCollection, TaggedOutput
from apache_beam.transforms import userstate
from apache_beam.transforms.core import CombinePerKey, Flatten, GroupByKey, Impulse, ParDo
from apache_beam.transforms.util import Reshuffle

from beam_deeplab.pipeline.runner_checks import parse_flags

Redo = Callable[[str], bool]
"""Whether the step of a name runs twice."""


def run_eagerly(
    build: Callable[[beam.Pipeline], Iterable[PCollection]],
    redo: Redo = lambda _: False,
    seed: int | None = None,
) -> list[list[Any]]:
    """Runs a pipeline.

    Args:
        build: Adds the steps, and names the collections that are wanted.
        redo: Which steps run twice.
        seed: Of the order that a shuffle gives; None for that in which elements come.

    Returns:
        The elements of each wanted collection.
    """
    pipeline = beam.Pipeline(runner="FnApiRunner", options=_options())
    with pytest.MonkeyPatch.context() as patch:
        # Half of the time that adding a step takes goes into looking for states and timers.
        patch.setattr(userstate, "get_dofn_specs", lambda _: (set(), set()))
        wanted = list(build(pipeline))
    visitor = _Eager(redo, random.Random(seed) if seed is not None else None)
    pipeline.visit(visitor)
    return [visitor.elements[each] for each in wanted]


@functools.cache
def _options() -> PipelineOptions:
    return parse_flags(["--no_pipeline_type_check"])


class _Eager(PipelineVisitor):
    def __init__(self, redo: Redo, order: random.Random | None) -> None:
        self.elements: dict[PCollection, list[Any]] = {}
        self._redo = redo
        self._order = order
        self._inside: AppliedPTransform | None = None

    def enter_composite_transform(self, node: AppliedPTransform) -> None:
        kinds = {CombinePerKey: self._combine, Reshuffle: self._reshuffle}
        work = kinds.get(type(node.transform))
        if self._inside is None and work is not None:
            self._inside = node
            work(node)

    def leave_composite_transform(self, node: AppliedPTransform) -> None:
        if node is self._inside:
            self._inside = None

    def visit_transform(self, node: AppliedPTransform) -> None:
        if self._inside is not None:
            return
        kinds = {
            Impulse: lambda _: self._put(node, [b""]),
            Flatten: self._flatten,
            GroupByKey: self._group,
        }
        work = self._par_do if isinstance(node.transform, ParDo) else kinds[type(node.transform)]
        work(node)

    def _input(self, node: AppliedPTransform) -> list[Any]:
        return [element for each in node.inputs for element in self.elements[each]]

    def _put(self, node: AppliedPTransform, elements: list[Any]) -> None:
        (output,) = node.outputs.values()
        self.elements[output] = elements

    def _shuffled(self, elements: list[Any]) -> list[Any]:
        return self._order.sample(elements, len(elements)) if self._order else elements

    def _flatten(self, node: AppliedPTransform) -> None:
        self._put(node, self._input(node))

    def _reshuffle(self, node: AppliedPTransform) -> None:
        self._put(node, self._shuffled(self._input(node)))

    def _group(self, node: AppliedPTransform) -> None:
        self._put(node, list(self._by_key(node).items()))

    def _by_key(self, node: AppliedPTransform) -> dict[Any, list[Any]]:
        groups: dict[Any, list[Any]] = {}
        for key, value in self._shuffled(self._input(node)):
            groups.setdefault(key, []).append(value)
        return groups

    def _combine(self, node: AppliedPTransform) -> None:
        function = node.transform.fn
        sums = []
        for key, values in self._by_key(node).items():
            total = function.merge_accumulators(
                [function.add_input(function.create_accumulator(), value) for value in values]
            )
            sums.append((key, function.extract_output(total)))
        self._put(node, sums)

    def _par_do(self, node: AppliedPTransform) -> None:
        transform = node.transform
        sides = [self._side_input(side) for side in node.side_inputs]
        values = iter(sides)
        arguments = [_filled(each, values) for each in transform.args]
        named = {name: _filled(each, values) for name, each in transform.kwargs.items()}
        for _ in range(2 if self._redo(node.full_label) else 1):
            outputs: dict[str | None, list[Any]] = {}
            function = transform.fn
            function.setup()
            function.start_bundle()
            for element in self._input(node):
                for result in function.process(element, *arguments, **named) or ():
                    tag, value = None, result
                    if isinstance(result, TaggedOutput):
                        tag, value = result.tag, result.value
                    outputs.setdefault(tag, []).append(value)
            function.finish_bundle()
        for tag, collection in node.outputs.items():
            self.elements[collection] = outputs.get(None if tag == "None" else tag, [])

    def _side_input(self, side: Any) -> Any:
        elements = self.elements[side.pvalue]
        if isinstance(side, AsSingleton):
            (element,) = elements
            return element
        assert isinstance(side, AsIter)
        return list(elements)


def _filled(argument: Any, values: Any) -> Any:
    return next(values) if isinstance(argument, ArgumentPlaceholder) else argument
