"""A contact sheet as one picture."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from beam_deeplab.deeplab.labels import Color, LabelSet
from beam_deeplab.pipeline.reports.contact_sheet.tiles import TILE, Tiles

_PAPER, _CARD, _INK, _FAINT, _LINE = "#f4f4f1", "#ffffff", "#1c1c1e", "#6d6d72", "#dcdcd8"
_MARGIN, _GAP, _PADDING = 32, 20, 14
_CAPTION_HEIGHT = 48
_CARDS_A_LINE = 2
_SHARES_SHOWN = 3
_CARD_WIDTH = 3 * TILE + 4 * _PADDING
_CARD_HEIGHT = TILE + _CAPTION_HEIGHT + 2 * _PADDING
_SWATCH = 14
_font = ImageFont.load_default


def draw_sheet(rows: Sequence[Tiles], labels: LabelSet, title: str, subtitle: str) -> Image.Image:
    """Draws headline, legend, and a card a row with picture, mask, overlay and caption; RGB."""
    across = max(1, min(_CARDS_A_LINE, len(rows)))
    width = 2 * _MARGIN + across * _CARD_WIDTH + (across - 1) * _GAP
    legend = _legend_places(labels, width - 2 * _MARGIN)
    top = _MARGIN + 76 + (legend[-1][1] + 1) * 26 + _GAP
    down = -(-len(rows) // across)
    height = top + down * (_CARD_HEIGHT + _GAP) - _GAP + _MARGIN
    sheet = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN, _MARGIN - 6), title, _INK, _font(30))
    draw.text((_MARGIN, _MARGIN + 38), subtitle, _FAINT, _font(16))
    for (left, line), name, colour in zip(legend, labels.names, labels.palette, strict=True):
        _draw_class(draw, (_MARGIN + left, _MARGIN + 76 + 26 * line), name, colour)
    for place, row in enumerate(rows):
        line, column = divmod(place, across)
        _draw_card(
            sheet,
            (_MARGIN + column * (_CARD_WIDTH + _GAP), top + line * (_CARD_HEIGHT + _GAP)),
            row,
            labels,
        )
    return sheet


def _legend_places(labels: LabelSet, width: int) -> list[tuple[int, int]]:
    """Where each class stands in the legend: pixels from the left, and line."""
    places = []
    left = line = 0
    for name in labels.names:
        extent = _SWATCH + 8 + int(_font(15).getlength(name)) + 22
        if left and left + extent > width:
            left, line = 0, line + 1
        places.append((left, line))
        left += extent
    return places


def _draw_class(
    draw: ImageDraw.ImageDraw, place: tuple[int, int], name: str, colour: Color
) -> None:
    left, top = place
    draw.rounded_rectangle((left, top, left + _SWATCH, top + _SWATCH), 3, colour, _LINE)
    draw.text((left + _SWATCH + 8, top - 2), name, _INK, _font(15))


def _draw_card(sheet: Image.Image, place: tuple[int, int], row: Tiles, labels: LabelSet) -> None:
    left, top = place
    draw = ImageDraw.Draw(sheet)
    box = (left, top, left + _CARD_WIDTH - 1, top + _CARD_HEIGHT - 1)
    draw.rounded_rectangle(box, 8, _CARD, _LINE)
    height, width = row.picture.shape[:2]
    for number, tile in enumerate((row.picture, row.mask, row.overlay)):
        tile_left = left + _PADDING + number * (TILE + _PADDING) + (TILE - width) // 2
        sheet.paste(Image.fromarray(tile), (tile_left, top + _PADDING + (TILE - height) // 2))
    text_left, text_top = left + _PADDING, top + _PADDING + TILE + 12
    right = left + _CARD_WIDTH - _PADDING
    if row.score is not None:
        _draw_score(draw, right, text_top, row.score)
        room = right - 130 - text_left
    else:
        room = right - text_left
    draw.text((text_left, text_top - 4), _shortened(row.name, room), _INK, _font(15))
    draw.text((text_left, text_top + 18), shares_text(row, labels), _FAINT, _font(13))


def _draw_score(draw: ImageDraw.ImageDraw, right: int, top: int, score: float) -> None:
    draw.text((right, top - 4), score_text(score), _INK, _font(15), anchor="ra")
    bar = (right - 110, top + 23, right, top + 29)
    draw.rounded_rectangle(bar, 3, _LINE)
    filled = round(110 * score)
    if filled >= 6:
        draw.rounded_rectangle((bar[0], bar[1], bar[0] + filled, bar[3]), 3, _INK)


def _shortened(text: str, room: int) -> str:
    """The text, or as much of its end as fits: the ends of paths tell them apart."""
    font = _font(15)
    if font.getlength(text) <= room:
        return text
    while text and font.getlength("..." + text) > room:
        text = text[1:]
    return "..." + text


def score_text(score: float) -> str:
    """How a sheet writes an IoU: ``IoU 0.912``."""
    return f"IoU {score:.3f}"


def shares_text(row: Tiles, labels: LabelSet) -> str:
    """The largest classes of a row: ``animal 34 %, plant 12 %``."""
    shown = [f"{labels.names[label]} {share:.0%}" for label, share in row.shares[:_SHARES_SHOWN]]
    rest = len(row.shares) - len(shown)
    return ", ".join(shown) + (f", {rest} more" if rest else "") or "background only"
