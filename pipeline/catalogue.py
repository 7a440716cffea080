"""``beam-deeplab models`` and ``beam-deeplab classes``: what there is to choose from."""

from __future__ import annotations

from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.table import Table
from rich.text import Text

from deeplab.labels import LabelSet
from deeplab.zoo import OFFICIAL_MODELS, is_cached


def print_models() -> None:
    """Prints the zoo, one model a row."""
    table = Table(title="Official models", title_justify="left")
    for heading in ("name", "backbone", "dataset", "classes", "published mIoU", "size", "cached"):
        table.add_column(heading, overflow="fold")
    for model in OFFICIAL_MODELS.values():
        backbone: str = model.backbone
        if model.depth_multiplier != 1:
            backbone += f" x {model.depth_multiplier:g}"
        scores = "\n".join(str(evaluation) for evaluation in model.evaluations)
        table.add_row(
            model.name,
            backbone,
            model.dataset,
            str(model.classes),
            scores,
            f"{model.size_mb:g} MB",
            "yes" if is_cached(model) else "no",
        )
    Console().print(table)


def print_classes(labels: LabelSet) -> None:
    """Prints a label set: id, name and colour of each class."""
    table = Table(title=f"Classes ({labels.name})", title_justify="left")
    table.add_column("id", justify="right")
    table.add_column("name")
    table.add_column("colour")
    for label, (name, color) in enumerate(zip(labels.names, labels.palette, strict=True)):
        swatch = Text("██", Style(color=Color.from_rgb(*color)))
        table.add_row(str(label), name, swatch + Text(" #{:02x}{:02x}{:02x}".format(*color)))
    Console().print(table)
