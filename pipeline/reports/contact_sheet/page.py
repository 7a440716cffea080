"""A contact sheet as one HTML page that needs nothing beside it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from io import BytesIO
from string import Template

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.pipeline.reports.contact_sheet.drawing import score_text, shares_text
from beam_deeplab.pipeline.reports.contact_sheet.tiles import TILE, Tiles

_JPEG_QUALITY = 88

_PAGE = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { color-scheme: light dark; --paper: #f4f4f1; --card: #fff; --ink: #1c1c1e; --faint: #6d6d72;
  --line: #dcdcd8; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #17181a; --card: #222326; --ink: #f0f0ee; --faint: #a0a0a6; --line: #3a3b3f; }
}
body { margin: 0; padding: 2rem; background: var(--paper); color: var(--ink);
  font: 15px/1.4 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.8rem; font-weight: 600; }
.subtitle, .shares { color: var(--faint); }
.subtitle { margin: .2rem 0 1rem; }
ul { list-style: none; display: flex; flex-wrap: wrap; gap: .4rem 1.2rem; margin: 0 0 1rem;
  padding: .6rem 0; position: sticky; top: 0; background: var(--paper); }
.swatch { display: inline-block; width: .9em; height: .9em; margin-right: .45em;
  vertical-align: -.08em; border: 1px solid var(--line); border-radius: 3px; }
main { display: grid; gap: 1.2rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 34rem), 1fr)); }
figure { margin: 0; padding: .9rem; background: var(--card); border: 1px solid var(--line);
  border-radius: 8px; }
.tiles { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: .9rem; }
img { width: 100%; aspect-ratio: 1; object-fit: contain; }
.mask { image-rendering: pixelated; }
figcaption { display: grid; grid-template-columns: 1fr auto; gap: .1rem 1rem; margin-top: .6rem; }
.name, .shares { grid-column: 1; overflow-wrap: anywhere; }
.score { text-align: right; font-variant-numeric: tabular-nums; }
.bar { align-self: center; width: 7rem; height: 6px; border-radius: 3px; background: var(--line); }
.bar span { display: block; height: 100%; border-radius: 3px; background: var(--ink); }
</style>
</head>
<body>
<header>
<h1>$title</h1>
<p class="subtitle">$subtitle</p>
</header>
<ul aria-label="Legend">
$legend
</ul>
<main>
$rows
</main>
</body>
</html>
""")

_ROW = Template("""\
<figure>
<div class="tiles">
<img src="$picture" alt="picture" width="$side" height="$side">
<img class="mask" src="$mask" alt="mask: $shares" width="$side" height="$side">
<img src="$overlay" alt="mask over the picture" width="$side" height="$side">
</div>
<figcaption>
<span class="name">$name</span>$score
<span class="shares">$shares</span>$bar
</figcaption>
</figure>""")


def sheet_page(rows: Sequence[Tiles], labels: LabelSet, title: str, subtitle: str) -> str:
    """HTML with its pictures and styles inside, for light and dark screens; all words are text."""
    legend = "\n".join(
        f'<li><span class="swatch" style="background: rgb{colour}"></span>{escape(name)}</li>'
        for name, colour in zip(labels.names, labels.palette, strict=True)
    )
    return _PAGE.substitute(
        title=escape(title),
        subtitle=escape(subtitle),
        legend=legend,
        rows="\n".join(_row(row, labels) for row in rows),
    )


def _row(row: Tiles, labels: LabelSet) -> str:
    score = bar = ""
    if row.score is not None:
        score = f'<span class="score">{score_text(row.score)}</span>'
        bar = f'<span class="bar"><span style="width: {row.score:.1%}"></span></span>'
    return _ROW.substitute(
        picture=_data_uri(row.picture, "JPEG"),
        mask=_data_uri(row.mask, "PNG"),
        overlay=_data_uri(row.overlay, "JPEG"),
        side=TILE,
        name=escape(row.name),
        shares=escape(shares_text(row, labels)),
        score=score,
        bar=bar,
    )


def _data_uri(tile: NDArray[np.uint8], image_format: str) -> str:
    buffer = BytesIO()
    Image.fromarray(tile).save(buffer, image_format, quality=_JPEG_QUALITY)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f"data:image/{image_format.lower()};base64,{data}"
