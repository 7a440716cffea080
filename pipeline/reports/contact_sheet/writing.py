"""A contact sheet on disk, as a picture and as a page."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from beam_deeplab.pipeline.reports.contact_sheet.drawing import draw_sheet
from beam_deeplab.pipeline.reports.contact_sheet.page import sheet_page
from beam_deeplab.pipeline.reports.contact_sheet.tiles import SheetRow, make_tiles

if TYPE_CHECKING:
    from beam_deeplab.deeplab.labels import LabelSet

STEM = "contact_sheet"


def write_contact_sheet(
    rows: Iterable[SheetRow], labels: LabelSet, folder: Path, *, title: str, subtitle: str
) -> tuple[Path, Path]:
    """Writes ``contact_sheet.png`` and ``contact_sheet.html``, over those of an earlier run.

    Raises:
        DecodingError: A picture cannot be decoded.
        OSError: A mask is no picture, or the files cannot be written.
    """
    tiles = [make_tiles(row, labels) for row in rows]
    picture, page = folder / f"{STEM}.png", folder / f"{STEM}.html"
    draw_sheet(tiles, labels, title, subtitle).save(picture, optimize=True)
    page.write_text(sheet_page(tiles, labels, title, subtitle), "utf-8")
    return picture, page
