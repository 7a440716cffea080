"""``beam-deeplab demo-data``: pictures of which the truth is known, for trials and tests."""

from __future__ import annotations

import sys

from rich.progress import Progress

from beam_deeplab.pipeline.options import UsageError
from beam_deeplab.pipeline.options.demo_data import DemoDataOptions
from beam_deeplab.pipeline.terminal import open_console, safe_line
from beam_deeplab.scenes.collection import Collection, CollectionError, write_collection


def make_demo_data(options: DemoDataOptions) -> int:
    """Writes a collection of scenes, and says where it is; gives the exit code 0.

    Raises:
        UsageError: It cannot be written there.
    """
    collection = Collection(options.count, options.seed, options.settings, options.faults)
    console = open_console(stderr=True)
    try:
        with Progress(console=console, transient=True, disable=not sys.stderr.isatty()) as bars:
            task = bars.add_task("Composing scenes", total=options.count + options.faults)
            write_collection(
                collection,
                options.output,
                options.truth,
                overwrite=options.overwrite,
                on_written=lambda: bars.advance(task),
            )
    except CollectionError as error:
        raise UsageError(str(error)) from None
    broken = f" and {options.faults:,} broken files" if options.faults else ""
    print(f"{options.count:,} scenes{broken}: {safe_line(options.output)}")
    if options.truth is not None:
        print(f"Their truth: {safe_line(options.truth)}")
    return 0
