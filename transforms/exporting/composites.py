"""An export as a Beam transform: a thin wrapper that maps the pure functions beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import apache_beam as beam
from apache_beam.transforms.combiners import ToListCombineFn

from beam_deeplab.transforms.exporting.interface import Format
from beam_deeplab.transforms.exporting.planning import plan_export, plan_indexes
from beam_deeplab.transforms.exporting.writing import commit_export, export_part, write_index


@dataclass(eq=False)
class ExportRun(beam.PTransform):
    """The masks of a committed run -> the files of a format, and last ``export.json``.

    Attributes:
        segmented: The run's output.
        output: Where ``begun.json`` stands already.
        form: The format.
        begun: What that file says.
        root: The collection's folder.
    """

    segmented: str
    output: str
    form: Format
    begun: Mapping[str, Any]
    root: str

    def expand(self, root: beam.pvalue.PBegin) -> beam.PCollection[dict[str, Any]]:
        """Writes part by part, then the indexes, then the end."""
        return (
            root
            | beam.Create([self.segmented])
            | "Plan" >> beam.FlatMap(plan_export, self.root, self.form.images_per_index)
            | beam.Reshuffle()
            | "Export" >> beam.Map(export_part, self.output, self.form)
            | "Gather" >> beam.CombineGlobally(ToListCombineFn())
            | "PlanIndexes" >> beam.FlatMap(plan_indexes)
            | "SpreadIndexes" >> beam.Reshuffle()
            | "Index" >> beam.Map(write_index, self.output, self.form)
            | "GatherIndexes" >> beam.CombineGlobally(ToListCombineFn())
            | "Commit" >> beam.Map(partial(commit_export, self.output, self.begun))
        )
