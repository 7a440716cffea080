"""What a finished run tells its user."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from rich.table import Table

from beam_deeplab.pipeline.inputs import describe_left_out
from beam_deeplab.pipeline.terminal import open_console, safe_line, say
from beam_deeplab.transforms.parquet.schemas import MASKS, RENDERS
from beam_deeplab.transforms.runs.commit_facts import LITTLE_LEFT
from beam_deeplab.transforms.runs.manifest import Manifest

_CLASSES_SHOWN = 8
_TITLES = {MASKS: "Segmented", RENDERS: "Rendered"}


def _warnings(counts: Mapping[str, int]) -> Iterator[str]:
    """What of the counts somebody who trusts the masks should know."""
    if seen := counts["barely_seen"]:
        yield (
            f"{seen:,} pictures were reduced to fewer than {LITTLE_LEFT} pixels on their shorter "
            "side, and what is small in them is lost: see the column scale of images"
        )
    if truncated := counts["truncated"]:
        yield f"{truncated:,} pictures are cut short: see the column truncated of images"
    if discarded := counts["discarded_parts"]:
        yield (
            f"{discarded:,} damaged parts were given up, with whatever they held of images that "
            "are not among the inputs"
        )


def print_summary(manifest: Manifest, output: str, seconds: float) -> None:
    """Prints images, failures by code, areas of the most common classes and of genres, and where.

    What the inputs name and the run has left out is one line on standard error. The time is by
    one clock: the manifest knows of two machines' only.
    """
    console = open_console()
    counts = manifest.counts
    table = Table(title=_TITLES[manifest.dataset], title_justify="left", show_header=False)
    table.add_row("images", f"{counts['inputs']:,}")
    for name in ("duplicates", "skipped", "not_in_inputs"):
        if counts[name]:
            table.add_row(name.replace("_", " "), f"{counts[name]:,}")
    table.add_row(manifest.dataset, f"{counts[f'total_{manifest.dataset}']:,}")
    if "unchanged" in counts:
        table.add_row("  nothing to do", f"{counts['unchanged']:,}")
    table.add_row("failures", f"{counts['total_failures']:,}")
    for code, number in sorted(manifest.failures_by_code.items()):
        table.add_row(f"  {safe_line(code)}", f"{number:,}")
    table.add_section()
    by_class, by_genre = Counter(manifest.class_pixels), Counter(manifest.genre_pixels)
    ignored = counts.get("ignored_pixels", 0)
    pixels = by_class.total() + ignored
    for kind, areas, most in (("", by_class, _CLASSES_SHOWN), ("genre ", by_genre, None)):
        for name, area in areas.most_common(most):
            table.add_row(f"{kind}{safe_line(name)}", f"{area / pixels:.1%} of the area")
        table.add_section()
    if ignored:
        table.add_row("ignored", f"{ignored / pixels:.1%} of the area")
        table.add_section()
    engine = f"{manifest.options['engine']}, {manifest.options['precision']}"
    table.add_row("engine", safe_line(engine))
    table.add_row("time", f"{seconds:.1f} s")
    console.print(table)
    for line in _warnings(counts):
        say(line)
    cpus = {writer["cpu"] for writer in manifest.writers if "cpu" in writer}
    if len(cpus) > 1:
        say(
            "workers had CPUs of different instructions, on which 8-bit networks answer a little "
            f"differently: {'; '.join(sorted(cpus))}"
        )
    if left_out := describe_left_out(manifest.left_out):
        say(left_out)
    console.print(f"Committed: {safe_line(output)}", soft_wrap=True)
