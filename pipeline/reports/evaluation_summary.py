"""What a finished evaluation tells its user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from beam_deeplab.pipeline.terminal import open_console, safe_line

_CLASSES_SHOWN = 24


def print_evaluation(metrics: Mapping[str, Any], output: str) -> None:
    """Prints of ``metrics.json`` counts, failures, measures and classes by IoU, and its folder."""
    console = open_console()
    table = Table(title="Evaluated", title_justify="left", show_header=False)
    table.add_row("images", f"{metrics['images']:,}")
    table.add_row("failures", f"{metrics['failures']:,}")
    for code, number in metrics["failures_by_code"].items():
        table.add_row(f"  {safe_line(code)}", f"{number:,}")
    table.add_section()
    for name, words in (
        ("miou", "mIoU"),
        ("boundary_iou", "boundary IoU"),
        ("pixel_accuracy", "pixel accuracy"),
        ("frequency_weighted_iou", "frequency-weighted IoU"),
    ):
        table.add_row(words, _measure(metrics[name]))
    if ignored := metrics["ignored_pixels"]:
        share = ignored / (ignored + metrics["pixels"])
        table.add_row("not scored", f"{share:.1%} of the truth: the masks ignore it")
    table.add_section()
    for name, iou in _shown(metrics["iou"]):
        table.add_row(safe_line(name), iou)
    table.add_section()
    table.add_row("truth", metrics["options"]["truth_format"])
    table.add_row("time", f"{metrics['seconds']:.1f} s")
    console.print(table)
    console.print(f"Report: {safe_line(output)}", soft_wrap=True)


def _shown(iou: Mapping[str, float | None]) -> list[tuple[str, str]]:
    """Classes by IoU, the best first; of many only the best and the worst."""
    ranked = sorted(
        ((name, value) for name, value in iou.items() if value is not None),
        key=lambda item: -item[1],
    )
    rows = [(name, _measure(value)) for name, value in ranked]
    if len(rows) > _CLASSES_SHOWN:
        half = _CLASSES_SHOWN // 2
        between = (f"… {len(rows) - 2 * half} more", "")
        rows = [*rows[:half], between, *rows[-half:]]
    return rows


def _measure(value: float | None) -> str:
    return "nothing to measure" if value is None else f"{value:.4f}"
