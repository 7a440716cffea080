"""Rebuilds ``atlas/`` from the font Noto Color Emoji; the package itself only reads it.

On Debian, with fontTools from the ``dev`` extra::

    apt-get install fonts-noto-color-emoji
    python -m scenes.atlas_building /usr/share/fonts/truetype/noto/NotoColorEmoji.ttf

The font draws every glyph as a PNG of 136 x 128 pixels (tables CBDT and CBLC), and names its
ligatures, such as a person with a skin tone and a profession, in GSUB.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from beam_deeplab.scenes.glyphs import Glyph, all_glyphs

CELL_HEIGHT, CELL_WIDTH = 128, 136
COLUMNS = 12

_VARIATION_SELECTOR = "\ufe0f"
_LIGATURE_LOOKUP, _EXTENSION_LOOKUP = 4, 7


class ColourFont:
    """The bitmaps of a TrueType font with CBDT, cmap and GSUB, by the text they stand for."""

    def __init__(self, path: Path) -> None:
        from fontTools.ttLib import TTFont

        font = TTFont(path, lazy=True)
        self.version: str = font["name"].getDebugName(5)
        self._names: Mapping[int, str] = font.getBestCmap()
        self._bitmaps: Mapping[str, Any] = font["CBDT"].strikeData[0]
        self._ligatures = _ligatures(font["GSUB"].table)

    def draw(self, text: str) -> Image.Image:
        """The bitmap of an emoji, variation selectors included: RGBA of 136 x 128 pixels.

        Raises:
            KeyError: The font has no single glyph for the text.
        """
        # Some ligatures spell a variation selector out and others leave it away.
        for spelling in (text, text.replace(_VARIATION_SELECTOR, "")):
            glyph = self._single_glyph([self._names.get(ord(c), "") for c in spelling])
            if glyph in self._bitmaps:
                png = self._bitmaps[glyph].imageData
                return Image.open(BytesIO(png)).convert("RGBA")
        raise KeyError(f"the font has no glyph for {text!r}")

    def _single_glyph(self, names: Sequence[str]) -> str:
        return names[0] if len(names) == 1 else self._ligatures.get(tuple(names), "")


def _ligatures(table: Any) -> dict[tuple[str, ...], str]:
    """The ligatures of a GSUB table by the glyphs that they replace."""
    found = {}
    for lookup in table.LookupList.Lookup:
        for subtable in lookup.SubTable:
            if subtable.LookupType == _EXTENSION_LOOKUP:
                subtable = subtable.ExtSubTable  # noqa: PLW2901
            if subtable.LookupType != _LIGATURE_LOOKUP:
                continue
            for first, ligatures in subtable.ligatures.items():
                for ligature in ligatures:
                    found[first, *ligature.Component] = ligature.LigGlyph
    return found


def build_atlas(font_path: Path, folder: Path) -> None:
    """Writes a sheet of sprites for each class, ``<class>.webp``, and their ``index.json``."""
    font = ColourFont(font_path)
    by_class: dict[str, list[Glyph]] = {}
    for glyph in all_glyphs():
        by_class.setdefault(glyph.class_name, []).append(glyph)
    for class_name, glyphs in by_class.items():
        rows = -(-len(glyphs) // COLUMNS)
        sheet = Image.new("RGBA", (COLUMNS * CELL_WIDTH, rows * CELL_HEIGHT))
        for place, glyph in enumerate(glyphs):
            row, column = divmod(place, COLUMNS)
            sheet.paste(_clean(font.draw(glyph.text)), (column * CELL_WIDTH, row * CELL_HEIGHT))
        sheet.save(folder / f"{class_name}.webp", lossless=True, quality=100, method=6)
    index = {
        "font": font.version,
        "cell": [CELL_HEIGHT, CELL_WIDTH],
        "columns": COLUMNS,
        "sprites": {
            class_name: [
                {
                    "codepoints": glyph.codepoints,
                    "name": glyph.name,
                    "split": "held_out" if glyph.held_out else "known",
                }
                for glyph in glyphs
            ]
            for class_name, glyphs in by_class.items()
        },
    }
    text = json.dumps(index, indent=1) + "\n"
    (folder / "index.json").write_text(text, "utf-8")


def _clean(sprite: Image.Image) -> Image.Image:
    """No colour where nothing is seen, which a lossless sheet would keep for nothing."""
    pixels = np.array(sprite)
    pixels[pixels[..., 3] == 0] = 0
    return Image.fromarray(pixels)


def main() -> None:
    """The script: the font's path in, the atlas beside this module out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("font", type=Path)
    build_atlas(parser.parse_args().font, Path(__file__).with_name("atlas"))


if __name__ == "__main__":
    main()
