"""Segments the pictures of a folder in a Beam pipeline of one's own, and sums each class's area.

python examples/segment_folder.py FOLDER [MODEL]
"""

from __future__ import annotations

import sys
from pathlib import Path

import apache_beam as beam

from beam_deeplab import Segmentation, SegmentImages


def pixels_by_class(row: Segmentation) -> list[tuple[str, int]]:
    """Each class that is in the picture, and how many of its pixels."""
    return [(area.class_name, area.pixels) for area in row.areas]


def main(folder: str, model: str = "emoji_scenes") -> None:
    """Runs on Beam's local runner; give the pipeline options to run it elsewhere."""
    with beam.Pipeline("FnApiRunner") as pipeline:
        results = (
            pipeline
            | "Name" >> beam.Create(sorted(str(path) for path in Path(folder).iterdir()))
            | "Spread" >> beam.Reshuffle()
            | "Segment" >> SegmentImages(model=model)
        )
        _ = (
            results.segmentations
            | "Areas" >> beam.FlatMap(pixels_by_class)
            | "Sum" >> beam.CombinePerKey(sum)
            | "Show" >> beam.MapTuple(lambda name, pixels: print(f"{name}: {pixels} pixels"))
        )
        _ = results.failures | "Failed" >> beam.Map(
            lambda row: print(f"{row.ref.uri}: {row.code}", file=sys.stderr)
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
