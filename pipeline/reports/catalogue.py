"""``beam-deeplab models`` and ``beam-deeplab classes``: what there is to choose from."""

from __future__ import annotations

from rich import box
from rich.color import Color
from rich.style import Style
from rich.table import Table
from rich.text import Text

from beam_deeplab.deeplab.labels import TRAINED_LABELS, LabelSet
from beam_deeplab.deeplab.zoo import (
    BUNDLED_MODELS,
    OFFICIAL_MODELS,
    BundledModel,
    ZooModel,
    download_url,
    is_cached,
)
from beam_deeplab.pipeline.terminal import open_console, safe_line

_WIDEST = 1000
_DATASETS = {"voc": "VOC 2012", "cityscapes": "Cityscapes", "ade20k": "ADE20K"}


def print_models() -> None:
    """Prints the official models and those of this package, one a line, their names whole."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("name", no_wrap=True)
    table.add_column("data set", no_wrap=True)
    for heading in ("best mIoU", "MB", "here"):
        table.add_column(heading, no_wrap=True, justify="right")
    for model in OFFICIAL_MODELS.values():
        table.add_row(
            model.name,
            _DATASETS[model.label_set],
            f"{max(evaluation.miou for evaluation in model.evaluations):.2f} %",
            f"{model.size_mb:g}",
            "yes" if is_cached(model) else "no",
        )
    for bundled in BUNDLED_MODELS.values():
        table.add_row(
            bundled.name,
            "emoji",
            f"{100 * bundled.miou:.0f} %",
            f"{bundled.size_mb:.1f}",
            "yes",
        )
    _print_whole(table)
    open_console().print("`beam-deeplab models NAME` says more of one.")


def print_model(model: ZooModel | BundledModel) -> None:
    """Prints all that is known of one model, a fact a line."""
    facts = {
        "name": model.name,
        "backbone": _backbone(model.backbone, model.depth_multiplier),
        "data set": model.dataset,
        "classes": str(model.classes),
    }
    if isinstance(model, ZooModel):
        height, width = model.canvas
        facts |= {
            "head": _head(model),
            "canvas": f"{height} x {width}",
            "mIoU": "\n".join(str(evaluation) for evaluation in model.evaluations),
            "archive": f"{download_url(model)} ({model.size_mb:g} MB)",
            "here": "yes" if is_cached(model) else "no: it is downloaded at its first use",
        }
    else:
        facts |= {
            "mIoU": f"{100 * model.miou:.0f} % ({model.measured_on})",
            "here": f"yes: {model.folder} ({model.size_mb:.1f} MB)",
        }
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, fact in facts.items():
        table.add_row(name, fact)
    open_console().print(table)


def _print_whole(table: Table) -> None:
    """Prints a table in its full width, also where the terminal has less: names stay whole."""
    console = open_console()
    wide = console.options.update(max_width=_WIDEST)
    console.width = max(console.width, console.measure(table, options=wide).maximum)
    console.print(table)


def _backbone(name: str, depth_multiplier: float) -> str:
    return name if depth_multiplier == 1 else f"{name} x {depth_multiplier:g}"


def _head(model: ZooModel) -> str:
    parts = {"ASPP": model.aspp, "decoder": model.decoder}
    return " and ".join(name for name, present in parts.items() if present) or "plain"


def print_classes(labels: LabelSet) -> None:
    """Prints a label set: id, name, genre and colour of each class.

    Those of Cityscapes have their official category too.
    """
    categories = {label.name: label.category for label in TRAINED_LABELS}
    has_categories = categories.keys() == set(labels.names)
    table = Table(title=f"Classes ({safe_line(labels.name)})", title_justify="left")
    table.add_column("id", justify="right")
    table.add_column("name")
    table.add_column("genre")
    if has_categories:
        table.add_column("category")
    table.add_column("colour")
    classes = zip(labels.names, labels.genres, labels.palette, strict=True)
    for label, (name, genre, color) in enumerate(classes):
        swatch = Text("██", Style(color=Color.from_rgb(*color)))
        swatch += Text(" #{:02x}{:02x}{:02x}".format(*color))
        category = [categories[name]] if has_categories else []
        table.add_row(str(label), safe_line(name), genre, *category, swatch)
    open_console().print(table)
