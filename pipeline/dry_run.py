"""``--dry_run``: what a run would meet and what it would cost, measured on a few of its images."""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from rich.filesize import decimal
from rich.table import Table

from beam_deeplab.deeplab.checkpoints import CheckpointError
from beam_deeplab.deeplab.engines import EngineError, choose_engine, has_gpu
from beam_deeplab.deeplab.zoo import ZooError
from beam_deeplab.pipeline.inputs import describe_left_out, refusing_input
from beam_deeplab.pipeline.options import SegmentOptions, refusing
from beam_deeplab.pipeline.progress.display import describe_seconds
from beam_deeplab.pipeline.sampling import SAMPLES, Cost, Sample, measure, spread
from beam_deeplab.pipeline.terminal import open_console, safe_line
from beam_deeplab.pipeline.workers import Machines
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.records import ImageRef, LeftOut
from beam_deeplab.transforms.runs.inventory import take_inventory
from beam_deeplab.transforms.runs.manifest import MANIFEST_FILE, RUN_FILE
from beam_deeplab.transforms.runs.salvage import decide, input_record, row_records
from beam_deeplab.transforms.segmenting.handler import DeepLabHandler, Recipe
from beam_deeplab.transforms.sources.listing import list_input


@dataclass(frozen=True)
class Inputs:
    """What the inputs name: distinct images by URI, repetitions, and what is no image."""

    refs: Sequence[ImageRef] = field(repr=False)
    duplicates: int
    left_out: Sequence[LeftOut] = ()


def count_inputs(patterns: Sequence[str], output: str = "") -> Inputs:
    """Lists every input; :func:`pipeline.inputs.check_inputs` has accepted them.

    Raises:
        UsageError: One cannot be listed.
    """
    listed: list[ImageRef] = []
    left_out: list[LeftOut] = []
    for pattern in patterns:
        with refusing_input(pattern):
            for found in list_input(pattern, output):
                if isinstance(found, LeftOut):
                    left_out.append(found)
                else:
                    listed.append(found)
    refs = sorted({ref.uri: ref for ref in sorted(listed)}.values())
    return Inputs(refs, len(listed) - len(refs), left_out)


def describe_output(output: str) -> str:
    """Which run an output holds.

    Raises:
        UsageError: Nothing can be written there.
    """
    with refusing("--output", OSError):
        storage.check_writable(output)
        if storage.exists(storage.join(output, MANIFEST_FILE)):
            return "holds a committed run"
        if storage.exists(storage.join(output, RUN_FILE)):
            return "holds a run that was not committed"
    return "can be written, holds no run"


def unfinished(output: str, refs: Sequence[ImageRef]) -> list[ImageRef]:
    """The images that a resume would work on; touches nothing.

    Raises:
        UsageError: The output cannot be read.
    """
    with refusing("--output", OSError):
        standing = take_inventory(output).values()
    rows = (row for shard in standing for row in row_records(shard, has_fatal=False))
    decision = decide(itertools.chain(map(input_record, refs), rows))
    return [work.ref for work in decision.work]


def peak_memory() -> int | None:
    """Bytes of memory that this process has held at most; None where the system does not tell."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def dry_run(options: SegmentOptions, recipe: Recipe, machines: Machines) -> None:
    """Lists, checks, measures, estimates and prints; writes nothing.

    Raises:
        UsageError: An input, the output or the model cannot be had.
    """
    inputs = count_inputs(options.input, options.output)
    standing = describe_output(options.output)
    todo = unfinished(options.output, inputs.refs) if options.resume else inputs.refs
    facts = {
        "images": f"{len(inputs.refs):,}",
        "duplicates": f"{inputs.duplicates:,}" if inputs.duplicates else None,
        "left out": describe_left_out(inputs.left_out).partition(": ")[2] or None,
        "finished before": f"{len(inputs.refs) - len(todo):,}" if options.resume else None,
        "output": f"{options.output}: {standing}",
        "model": f"{recipe.model.reference}, {recipe.canvas.height} x {recipe.canvas.width}, "
        f"output stride {recipe.output_stride}",
        "averaged": _describe_scales(recipe) if recipe.averaged else None,
    }
    unknown = machines.gpu if machines.gpu and not has_gpu() else ""
    if unknown:
        # Some masks are needed all the same, to tell what they take.
        recipe = replace(recipe, engine=choose_engine(gpu=False))
    loading, sample = _try(recipe, spread(todo, SAMPLES))
    table = Table(title="Dry run: nothing was written", title_justify="left", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for section in (
        facts,
        _measured(loading, sample, unknown),
        _estimated(loading, sample, todo, machines, options.price_per_hour),
    ):
        for name, value in section.items():
            if value is not None:
                table.add_row(name, safe_line(value))
        table.add_section()
    open_console().print(table)


def _try(recipe: Recipe, refs: Sequence[ImageRef]) -> tuple[Cost, Sample]:
    """The cost of loading the model, and what the images have shown."""
    handler = DeepLabHandler(recipe)
    batch_size = handler.batch_size(recipe.canvas)
    loading = Cost()
    with (
        refusing("--model", ZooError, CheckpointError),
        refusing("--engine", EngineError),
        refusing("--input", storage.CredentialsError),
    ):
        with loading.measured(1):
            model = handler.load_model()
        return loading, measure(refs, recipe, model, batch_size)


_Section = Mapping[str, str | None]


def _measured(loading: Cost, sample: Sample, unknown: str) -> _Section:
    """What the sample took; ``unknown`` is a GPU that is not here to be measured."""
    peak = peak_memory()
    return {
        "measured here": f"on {_number(sample.images, 'image')}",
        "sample failures": _describe_failures(sample.failures) if sample.images else None,
        "loading the model": f"{loading.wall:.3g} s",
        "reading, decoding": _each(sample.read_and_decode),
        "inference": f"not measured: this machine has no {unknown}"
        if unknown
        else _each(sample.infer),
        "mask": _each(sample.mask),
        "peak memory": f"{decimal(peak)}, of this process" if peak is not None else None,
    }


def _estimated(
    loading: Cost, sample: Sample, todo: Sequence[ImageRef], machines: Machines, price: float | None
) -> _Section:
    if not todo:
        return {"estimated": "nothing to do: all images are finished"}
    if not sample.masks:
        return {"estimated": "nothing: no sampled image came to a mask"}
    seconds = loading.wall + sample.seconds_for(len(todo), machines)
    hours = machines.count * seconds / 3600
    least = "at least " if machines.gpu and not has_gpu() else ""
    sizes = [ref.size for ref in todo if ref.size is not None]
    cost = (
        None if price is None else f"{least}{hours * price:,.2f} at {price:g} an hour and machine"
    )
    return {
        "estimated": f"from {_number(sample.masks, 'mask')}",
        "each worker": None if machines.here else str(machines),
        "time": f"{least}{describe_seconds(seconds)} for {_number(len(todo), 'image')} "
        f"with {_number(machines.workers, 'worker')}",
        "worker hours": None if machines.here else f"{least}{hours:,.3g}, without their starts",
        "cost": cost,
        "to be read": decimal(sum(sizes)) if len(sizes) == len(todo) else None,
        "masks": decimal(sample.bytes_for(len(todo))),
    }


def _describe_scales(recipe: Recipe) -> str:
    scales = ", ".join(f"{scale:g}" for scale in recipe.eval_scales)
    return f"scales {scales}{', with mirror images' if recipe.flip else ''}"


def _each(cost: Cost) -> str | None:
    return f"{cost.each().wall:.3g} s an image" if cost.images else None


def _describe_failures(failures: Counter[str]) -> str:
    each = ", ".join(f"{code} {number}" for code, number in sorted(failures.items()))
    return f"{failures.total()} ({each})" if each else "0"


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
