"""``beam-deeplab quickstart``: pictures of which the truth is known, segmented, scored and shown.

Each step is one of the program's own commands: nothing is done in another way than there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import duckdb

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.pipeline.demo_data import make_demo_data
from beam_deeplab.pipeline.evaluate import evaluate
from beam_deeplab.pipeline.options import NetworkOptions
from beam_deeplab.pipeline.options.demo_data import DemoDataOptions
from beam_deeplab.pipeline.options.evaluate import EvaluateOptions
from beam_deeplab.pipeline.options.quickstart import QuickstartOptions
from beam_deeplab.pipeline.options.segment import SegmentOptions
from beam_deeplab.pipeline.reports.contact_sheet import make_tiles, write_contact_sheet
from beam_deeplab.pipeline.runs import read_manifest
from beam_deeplab.pipeline.segment import segment
from beam_deeplab.pipeline.terminal import open_console, safe_line
from beam_deeplab.scenes.settings import SceneSettings

ItemT = TypeVar("ItemT")

SHOWN = 12
"""Pictures on the contact sheet."""

_MOSTLY_ANIMAL = """
    select parse_filename(image_uri) as picture, round(fraction, 3) as animal
    from read_parquet($areas) where class_name = 'animal' and fraction > 0.25
    order by fraction desc, picture limit 5
"""
_WORST_FIRST = """
    select image_uri, mask.bytes, miou
    from read_parquet($scores) as scores join read_parquet($masks) as masks using (image_uri)
    order by miou, image_uri
"""


def quickstart(options: QuickstartOptions) -> int:
    """Composes, segments, scores and shows a small collection; gives the exit code 0.

    Raises:
        UsageError: The folder cannot be used, or the model cannot be had.
        RunFailedError: A step failed.
    """
    output = options.output
    run, evaluation = output / "run", output / "evaluation"
    images, truth = output / "images", output / "truth"
    make_demo_data(
        DemoDataOptions(options.count, options.seed, images, truth, SceneSettings(), overwrite=True)
    )
    segment(
        SegmentOptions(
            (str(images),), str(run), NetworkOptions(model=options.model), overwrite=True
        )
    )
    evaluate(
        EvaluateOptions(
            input=(),
            truth=(str(truth),),
            output=str(evaluation),
            network=None,
            segmented=str(run),
            overwrite=True,
        )
    )
    console = open_console()
    console.print("\nWhich pictures are more than a quarter animal?")
    areas = str(run / "class_areas" / "*.parquet")
    print(duckdb.sql(_MOSTLY_ANIMAL, params={"areas": areas}))
    for file in show(run, evaluation, output):
        console.print(f"Contact sheet: {safe_line(file)}", soft_wrap=True)
    return 0


def show(run: Path, evaluation: Path, folder: Path) -> tuple[Path, Path]:
    """Writes the contact sheet of a few scored pictures, as a picture and as a page."""
    scored = duckdb.sql(
        _WORST_FIRST,
        params={
            "scores": str(evaluation / "scores.parquet"),
            "masks": str(run / "masks" / "*.parquet"),
        },
    ).fetchall()
    labels = LabelSet.from_dict(read_manifest(str(run)).options["labels"])
    rows = [
        make_tiles(Path(uri).name, Path(uri).read_bytes(), mask, score, labels)
        for uri, mask, score in evenly_spread(scored, SHOWN)
    ]
    return write_contact_sheet(
        rows,
        labels,
        folder,
        title="beam-deeplab quickstart",
        subtitle=f"{len(rows)} of {len(scored)} pictures, from the worst mask to the best",
    )


def evenly_spread(ordered: Sequence[ItemT], count: int) -> Sequence[ItemT]:
    """The first, the last and what lies evenly between them, ``count`` in all or fewer."""
    if len(ordered) <= count:
        return ordered
    return [ordered[place * (len(ordered) - 1) // (count - 1)] for place in range(count)]
