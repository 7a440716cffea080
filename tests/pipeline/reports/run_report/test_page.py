"""The page as text: whole, self-contained, its names only text. How it looks a browser says."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.pipeline.reports.run_report.figures import RunFigures
from beam_deeplab.pipeline.reports.run_report.page import Page, render_page
from beam_deeplab.pipeline.reports.run_report.samples import choose_samples
from beam_deeplab.pipeline.reports.run_report.scanning import compute_figures
from beam_deeplab.pipeline.reports.run_report.tables import open_tables
from beam_deeplab.pipeline.reports.run_report.tiles import make_tiles
from tests.committed_runs import LABELS, random_images, write_photos, write_run

IMAGES = random_images(12)
NAMED = LabelSet(
    "named", ("road", "</td><script>x</script>", "a & b", "car", "tree"), LABELS.palette
)


class _Parsed(HTMLParser):
    """A page's tags, texts and addresses; each element has to be closed in its place."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.texts: set[str] = set()
        self.addresses: set[str] = set()
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses |= {value or "" for name, value in attrs if name in ("src", "href")}
        if tag not in ("img", "meta", "link", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.add(data.strip())


def _page(folder: Path, labels: LabelSet) -> tuple[RunFigures, _Parsed]:
    write_photos(folder / "photos", IMAGES)
    manifest = write_run(folder / "run", folder / "photos", IMAGES, labels=labels)
    with open_tables((str(folder / "run"), manifest)) as (tables,):
        figures = compute_figures(tables)
        samples = choose_samples(tables, figures, None, None)
    uris = {uri for sample in samples for uri, _ in sample.images}
    tiles = {tile.image_uri: tile for tile in make_tiles(str(folder / "run"), labels, uris)}
    return figures, _Parsed(render_page(Page(figures, labels, samples, tiles)))


@pytest.mark.parametrize("labels", [LABELS, NAMED], ids=lambda labels: labels.name)
def test_a_page_is_whole_and_names_are_text(tmp_path: Path, labels: LabelSet) -> None:
    figures, page = _page(tmp_path, labels)
    assert "script" not in page.tags
    assert set(labels.names) <= page.texts | {"tree"}
    outside = {each for each in page.addresses if not each.startswith(("#", "data:"))}
    assert outside == {(tmp_path / "photos" / name).as_uri() for name in IMAGES}
    for mean in (figures.classes[0].area.mean_over_all_pictures, figures.confidence.median):
        assert page.texts & {f"{mean:.1%}", f"{mean:.3f}"}


def test_without_a_background_there_is_no_coverage(tmp_path: Path) -> None:
    assert "Coverage" in _page(tmp_path / "with", LABELS)[1].texts
    figures, page = _page(tmp_path / "without", NAMED)
    assert figures.coverage is None
    assert "Coverage" not in page.texts
