"""``beam-deeplab report``: a committed run as a page, opened as people see it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from beam_deeplab.deeplab.labels import VOC, LabelSet
from beam_deeplab.pipeline.cli import main
from beam_deeplab.transforms.records import FailureCode
from tests.browser import Browser, open_browser
from tests.committed_runs import (
    LABELS,
    grow_run,
    random_images,
    write_evaluation,
    write_photos,
    write_run,
)
from tests.gcs_emulator import Gcs

pytest_plugins = ("tests.gcs_emulator",)

HOSTILE = "\"><script>alert('x')<script>&amp;\u202e.png"
HOSTILE_CLASS = "</style><img src=x onerror=alert(1)>"
HOSTILE_LABELS = LabelSet(
    "evil <b>", ("background", HOSTILE_CLASS, *LABELS.names[2:]), LABELS.palette
)
BEFORE = random_images(24)
AFTER = random_images(24, seed=1)
AFTER[HOSTILE] = AFTER.pop("023.png")


@dataclass(frozen=True)
class Written:
    """A report of a run with everything in it, and where it lies."""

    folder: Path
    page: Path

    def flags(self) -> list[str]:
        return ["report", str(self.folder / "run"), "--output", str(self.page)]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("report")
    photos = folder / "photos"
    write_photos(photos, {**BEFORE, **AFTER})
    failed = {f"bad{n}-<i>.png": FailureCode.CORRUPT for n in range(7)}
    manifest = write_run(folder / "run", photos, AFTER, failed, HOSTILE_LABELS)
    write_run(folder / "before", photos, BEFORE)
    write_evaluation(folder / "evaluation", manifest, photos, folder / "truth", AFTER)
    (photos / "000.png").unlink()
    found = Written(folder, folder / "pages" / "report.html")
    more = ["--evaluation", str(folder / "evaluation"), "--against", str(folder / "before")]
    assert main([*found.flags(), *more]) == 0
    return found


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with open_browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_its_screen_and_asks_for_nothing(
    written: Written, browser: Browser, width: int, scheme: str
) -> None:
    browser.requests.clear()
    browser.open(written.page, width, scheme)
    assert browser.ask("document.documentElement.scrollWidth") <= width
    assert browser.ask("document.body.innerText.length") > 2000
    broken = "[...document.images].filter(each => !each.naturalWidth || !each.alt).length"
    assert browser.ask(broken) == 0
    assert browser.ask("document.images.length") > 50
    background = browser.ask("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, background[4:-1].split(","))) > 384) == (scheme == "light")
    assert not browser.complaints
    assert {uri for uri in browser.requests if not uri.startswith("data:")} == {
        written.page.as_uri()
    }


def test_names_are_text_and_nothing_else(written: Written, browser: Browser) -> None:
    browser.open(written.page, 1400, "light")
    assert browser.ask("document.querySelectorAll('script, [onerror], i').length") == 0
    text = browser.ask("document.body.innerText")
    assert HOSTILE_CLASS in text
    assert HOSTILE.replace("\u202e", "\\u202e") in text
    assert "bad0-<i>.png" in text


def test_screen_readers_get_words_and_tables(written: Written, browser: Browser) -> None:
    browser.open(written.page, 1400, "light")
    assert browser.ask("document.documentElement.lang") == "en"
    assert browser.ask("document.title").startswith(f"{written.folder.name}/run")
    assert browser.ask("document.querySelectorAll('h1').length") == 1
    unnamed = (
        "[...document.querySelectorAll('[role=img], [role=region]')].filter(e => !e.ariaLabel)"
    )
    assert browser.ask(f"{unnamed}.length") == 0
    charts = "[...document.querySelectorAll('.histogram')]"
    assert browser.ask(f"{charts}.length") == 5
    assert browser.ask(f"{charts}.every(each => each.parentElement.querySelector('table th'))")
    headless = "[...document.querySelectorAll('tbody tr')].filter(e => !e.closest('table').tHead)"
    assert browser.ask(f"{headless}.length") == 0


def test_the_page_says_what_the_figures_do(written: Written) -> None:
    found = json.loads(written.page.with_suffix(".json").read_text())
    assert (found["figures"]["images"], found["figures"]["masks"]) == (31, 24)
    assert found["evaluation"]["miou"] == 1
    assert found["drift"]["common"] == 23
    assert [each["name"] for each in found["pictures"]] == [
        "furthest",
        "changed",
        "least-sure",
        "by-class",
    ]
    page = written.page.read_text("utf-8")
    assert "the image can no longer be shown: NOT_FOUND" in page
    assert "CORRUPT: 5 of 7" in page
    assert "Truth of 003.png" in page


def _line(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main(["report", *map(str, arguments)]) == 2
    said = capsys.readouterr()
    assert not said.out
    (line,) = said.err.strip().splitlines()
    return line


def test_what_is_no_committed_run_is_one_line(
    written: Written, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, output = written.folder / "run", ("--output", tmp_path / "r.html")
    capsys.readouterr()
    assert "holds no run of `segment`" in _line(capsys, tmp_path, *output)
    begun = tmp_path / "begun"
    shutil.copytree(run, begun)
    (begun / "manifest.json").write_text("{}")
    assert "not a file of beam-deeplab" in _line(capsys, begun, *output)
    (begun / "manifest.json").unlink()
    (begun / "run.json").write_text("{}")
    assert "is not committed (it has no manifest.json): finish it" in _line(capsys, begun, *output)
    assert "--against" in _line(capsys, run, "--against", begun, *output)
    assert "holds no evaluation" in _line(capsys, run, "--evaluation", tmp_path, *output)
    assert "ends with .html" in _line(capsys, run, "--output", tmp_path)
    (tmp_path / "file").touch()
    assert "--output" in _line(capsys, run, "--output", tmp_path / "file" / "r.html")
    assert not (tmp_path / "r.html").exists()


def test_an_evaluation_of_another_run_or_version_is_one_line(
    written: Written, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluation = shutil.copytree(written.folder / "evaluation", tmp_path / "evaluation")
    flags = (written.folder / "run", "--evaluation", evaluation, "--output", tmp_path / "r.html")
    capsys.readouterr()
    scores = pq.read_table(evaluation / "scores.parquet")
    pq.write_table(scores.drop_columns("major_miou"), evaluation / "scores.parquet")
    assert "earlier version" in _line(capsys, *flags)
    metrics = json.loads((evaluation / "metrics.json").read_text())
    metrics["settings"]["segmented_run"] = "another"
    (evaluation / "metrics.json").write_text(json.dumps(metrics))
    assert "is of run another, not of this one, r1" in _line(capsys, *flags)


@pytest.mark.parametrize("damage", ["gone", "no Parquet"])
def test_a_damaged_run_is_one_line(
    written: Written, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    shutil.copytree(written.folder / "run", tmp_path / "run")
    (table,) = (tmp_path / "run" / "images").iterdir()
    table.unlink() if damage == "gone" else table.write_bytes(b"PAR1 and nothing")
    capsys.readouterr()
    assert "images" in _line(capsys, tmp_path / "run", "--output", tmp_path / "r.html")


# What getrusage calls the most is at least what the process held that started this one.
_MEASURED = """
import re, sys
from pathlib import Path
from beam_deeplab.pipeline.cli import main
code = main(sys.argv[1:])
held = re.search(r"VmHWM:\\s+([0-9]+) kB", Path("/proc/self/status").read_text())
print(int(held[1]) // 1024, file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.slow
def test_a_quarter_of_a_million_images_take_little_memory(tmp_path: Path) -> None:
    images = random_images(240, known=len(VOC))
    write_photos(tmp_path / "photos", images)
    failed = {f"{n}.jpg": FailureCode.CORRUPT for n in range(16)}
    write_run(tmp_path / "run", tmp_path / "photos", images, failed, VOC)
    grow_run(tmp_path / "run", 1000)
    flags = ["report", tmp_path / "run", "--output", tmp_path / "r.html"]
    command = [sys.executable, "-c", _MEASURED, *map(str, flags)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stderr.split()[-1]) < 500
    figures = json.loads((tmp_path / "r.json").read_text())["figures"]
    assert (figures["images"], figures["masks"]) == (256_000, 240_000)
    assert sum(figures["confidence"]["counts"]) == 240_000


@pytest.mark.parametrize("failures", [0, 3])
def test_a_run_without_a_mask_has_a_page(tmp_path: Path, browser: Browser, failures: int) -> None:
    failed = {f"{n}.png": FailureCode.EMPTY for n in range(failures)}
    write_run(tmp_path / "run", tmp_path, {}, failed)
    page = tmp_path / "r.html"
    assert main(["report", str(tmp_path / "run"), "--output", str(page)]) == 0
    browser.complaints.clear()
    browser.open(page, 400, "dark")
    text = browser.ask("document.body.innerText")
    assert ("No image of this run has a mask" if failures else "holds no image") in text
    assert ("EMPTY: 3 of 3" in text) == bool(failures)
    assert not browser.complaints


def test_a_run_in_the_cloud_is_read_as_one_here(gcs: Gcs, tmp_path: Path) -> None:
    images, failed = random_images(9), {"bad.png": FailureCode.EMPTY}
    photos = tmp_path / "photos"
    write_photos(photos, images)
    for photo in photos.iterdir():
        gcs.put(f"photos/{photo.name}", photo.read_bytes())
    write_run(gcs.uri("run"), gcs.uri("photos"), images, failed)
    write_run(tmp_path / "run", photos, images, failed)
    assert main(["report", gcs.uri("run"), "--output", gcs.uri("pages/r.html")]) == 0
    assert main(["report", str(tmp_path / "run"), "--output", str(tmp_path / "r.html")]) == 0
    remote = json.loads(gcs.get("pages/r.json") or b"")["figures"]
    local = json.loads((tmp_path / "r.json").read_bytes())["figures"]
    for name in ("images", "masks", "genres", "confidence", "coverage", "co_occurrence"):
        assert remote[name] == local[name]
    page = (gcs.get("pages/r.html") or b"").decode()
    assert "https://storage.cloud.google.com/" in page
    assert page.count('class="picture"') == (tmp_path / "r.html").read_text().count(
        'class="picture"'
    )
    assert "no longer be shown" not in page
