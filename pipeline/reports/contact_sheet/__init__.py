"""Contact sheets: what came in and what came out, side by side, for people to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.pipeline.reports.contact_sheet.drawing import draw_sheet
from beam_deeplab.pipeline.reports.contact_sheet.page import sheet_page
from beam_deeplab.pipeline.reports.contact_sheet.tiles import Tiles
from beam_deeplab.pipeline.reports.contact_sheet.tiles import make_tiles as make_tiles


def write_contact_sheet(
    rows: Sequence[Tiles], labels: LabelSet, folder: Path, *, title: str, subtitle: str
) -> tuple[Path, Path]:
    """Writes ``contact_sheet.png`` and ``contact_sheet.html``, over those of an earlier run.

    Raises:
        OSError: The files cannot be written.
    """
    picture, page = folder / "contact_sheet.png", folder / "contact_sheet.html"
    draw_sheet(rows, labels, title, subtitle).save(picture, optimize=True)
    page.write_text(sheet_page(rows, labels, title, subtitle), "utf-8")
    return picture, page
