"""The report as one HTML page that needs nothing beside it; all that it names is only text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.pipeline.reports.run_report.distributions import BINS, Distribution
from beam_deeplab.pipeline.reports.run_report.drift import Drift
from beam_deeplab.pipeline.reports.run_report.figures import (
    BACKGROUND,
    SCALE_STEPS,
    ClassFigures,
    GenreFigures,
    RunFigures,
)
from beam_deeplab.pipeline.reports.run_report.samples import Sample
from beam_deeplab.pipeline.reports.run_report.tiles import Tile, link_to
from beam_deeplab.pipeline.terminal import safe_line

_SHARES_SHOWN: Final = 4


@dataclass(frozen=True)
class Page:
    """What the page shows.

    Attributes:
        figures: Of the run.
        labels: Its classes.
        samples: Sections of pictures.
        tiles: By URI.
        evaluation: The evaluation's folder, and its metrics; None if there is none.
        drift: Against another run; None if there is none.
    """

    figures: RunFigures
    labels: LabelSet
    samples: Sequence[Sample]
    tiles: Mapping[str, Tile]
    evaluation: tuple[str, Mapping[str, Any]] | None = None
    drift: Drift | None = None


def render_page(page: Page) -> str:
    """The page's text."""
    environment = Environment(
        loader=PackageLoader(__package__ or "", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters |= {"percent": _percent, "count": _count, "ratio": _ratio}
    shown = {label for tile in page.tiles.values() for label in tile.labels}
    return environment.get_template("page.html").render(
        page=page,
        figures=page.figures,
        drift=page.drift,
        legend=sorted(shown),
        name="/".join(page.figures.output.rstrip("/").split("/")[-2:]),
        bins=[f"{place / BINS:.2f}" for place in range(BINS + 1)],
        scales=_scale_words(),
        shares_shown=_SHARES_SHOWN,
        link_to=link_to,
        spread=_spread,
        looks=_looks(page.labels),
        background=BACKGROUND,
        longest=_longest(page.figures),
    )


def _shown(value: object) -> object:
    """What an expression comes to: a text without what could steer its reader's screen."""
    return safe_line(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _count(number: int) -> str:
    return f"{number:,}"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    """A share in percent, of more digits where it is small: what is there is never 0 %."""
    if value is None:
        return "-"
    if 0 < abs(value) < 0.0001:
        return "< 0.01%"
    if value in (0, 1):
        return f"{value:.0%}"
    return f"{value:.2%}" if abs(value) < 0.01 else f"{value:.1%}"


def _spread(distribution: Distribution) -> str:
    """From a tenth to nine tenths of the values, as places on a line from 0 to 1."""
    return "; ".join(
        f"--{name}: {value:.4f}"
        for name, value in (
            ("p10", distribution.p10),
            ("p50", distribution.median),
            ("p90", distribution.p90),
        )
        if value is not None
    )


def _looks(labels: LabelSet) -> dict[int, tuple[str, str]]:
    """How each label of a mask is called, and its colour."""
    colours = labels.palette_bytes()
    names = {**dict(enumerate(labels.names)), labels.ignore_label: "no class"}
    return {
        label: (name, f"#{colours[3 * label : 3 * label + 3].hex()}")
        for label, name in names.items()
    }


def _longest(figures: RunFigures) -> float:
    """What the longest bar of an area stands for: the largest mean that is not the background's."""
    rows: list[ClassFigures | GenreFigures] = [*figures.classes, *figures.genres]
    shown = [each.area.mean_where_present or 0.0 for each in rows if each.genre != BACKGROUND]
    return max(shown, default=0.0) or 1.0


def _scale_words() -> list[str]:
    sides = [f"1/{round(1 / step)}" for step in SCALE_STEPS]
    between = [f"{low} to {high} of a side" for high, low in pairwise(sides[1:])]
    return ["not reduced", f"{sides[1]} of a side or more", *between, f"less than {sides[-1]}"]
