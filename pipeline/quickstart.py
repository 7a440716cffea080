"""``beam-deeplab quickstart``: pictures of which the truth is known, segmented, scored and shown.

Each step is one of the program's own commands: nothing is done in another way than there.
"""

from __future__ import annotations

import duckdb

from beam_deeplab.pipeline.demo_data import make_demo_data
from beam_deeplab.pipeline.evaluate import evaluate
from beam_deeplab.pipeline.options import NetworkOptions
from beam_deeplab.pipeline.options.demo_data import DemoDataOptions
from beam_deeplab.pipeline.options.evaluate import EvaluateOptions
from beam_deeplab.pipeline.options.quickstart import QuickstartOptions
from beam_deeplab.pipeline.options.report import ReportOptions
from beam_deeplab.pipeline.options.segment import SegmentOptions
from beam_deeplab.pipeline.report import report
from beam_deeplab.pipeline.segment import segment
from beam_deeplab.pipeline.terminal import open_console
from beam_deeplab.scenes.settings import SceneSettings

_MOSTLY_ANIMAL = """
    select parse_filename(image_uri) as picture, round(fraction, 3) as animal
    from read_parquet($areas) where class_name = 'animal' and fraction > 0.25
    order by fraction desc, picture limit 5
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
    return report(ReportOptions(str(run), str(output / "report.html"), evaluation=str(evaluation)))
