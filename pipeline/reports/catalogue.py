"""``beam-deeplab models`` and ``beam-deeplab classes``: what there is to choose from."""

from __future__ import annotations

from rich.color import Color
from rich.style import Style
from rich.table import Table
from rich.text import Text

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.deeplab.zoo import BUNDLED_MODELS, OFFICIAL_MODELS, is_cached
from beam_deeplab.pipeline.terminal import open_console, safe_line


def print_models() -> None:
    """Prints the official models and those of this package, one a row."""
    table = Table(title="Models", title_justify="left")
    for heading in ("name", "backbone", "dataset", "classes", "mIoU", "size", "cached"):
        table.add_column(heading, overflow="fold")
    for model in OFFICIAL_MODELS.values():
        scores = "\n".join(str(evaluation) for evaluation in model.evaluations)
        table.add_row(
            model.name,
            _backbone(model.backbone, model.depth_multiplier),
            model.dataset,
            str(model.classes),
            scores,
            f"{model.size_mb:g} MB",
            "yes" if is_cached(model) else "no",
        )
    for bundled in BUNDLED_MODELS.values():
        table.add_row(
            bundled.name,
            _backbone(bundled.backbone, bundled.depth_multiplier),
            bundled.dataset,
            str(bundled.classes),
            bundled.score,
            f"{bundled.size_mb:.1f} MB",
            "ships with this package",
        )
    open_console().print(table)


def _backbone(name: str, depth_multiplier: float) -> str:
    return name if depth_multiplier == 1 else f"{name} x {depth_multiplier:g}"


def print_classes(labels: LabelSet) -> None:
    """Prints a label set: id, name and colour of each class."""
    table = Table(title=f"Classes ({safe_line(labels.name)})", title_justify="left")
    table.add_column("id", justify="right")
    table.add_column("name")
    table.add_column("colour")
    for label, (name, color) in enumerate(zip(labels.names, labels.palette, strict=True)):
        swatch = Text("██", Style(color=Color.from_rgb(*color)))
        table.add_row(
            str(label), safe_line(name), swatch + Text(" #{:02x}{:02x}{:02x}".format(*color))
        )
    open_console().print(table)
