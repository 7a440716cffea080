"""File names are data: markup, escapes, bytes that are no text; in every row and on no terminal."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest

from tests.faults.conftest import Job, write_picture

NAMES = [
    b"[bold]x[",
    b"[link=http:x]y",
    b"esc\x1b[31m\x1b]0;title\x07",
    b"csi\x9b2J",
    b"line\nfeed\ttab",
    "bidi\u202egpj".encode(),
    b"caf\xe9",
    b"\xff\xfe",
    b"percent%FF",
    b"back\\xff",
    "👩‍🚀".encode(),
]


def _named(uri: str) -> bytes:
    path = unquote_to_bytes(uri[7:]) if uri.startswith("file://") else os.fsencode(uri)
    return os.path.basename(path).rpartition(b".")[0]  # noqa: PTH119 - bytes


@pytest.mark.slow
def test_each_image_has_its_row_whatever_its_name(job: Job, tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path / "in")
    write_picture(tmp_path / "picture.png", 1)
    picture = (tmp_path / "picture.png").read_bytes()
    for name in NAMES:
        Path(os.fsdecode(folder + b"/good-" + name + b".png")).write_bytes(picture)
        Path(os.fsdecode(folder + b"/bad-" + name + b".png")).write_bytes(b"no picture")
        Path(os.fsdecode(folder + b"/gone-" + name + b".png")).symlink_to("nowhere")
    job.inputs = [str(tmp_path / "in")]
    job.output = tmp_path / "out[red]\x1b[1m"
    for again in ([], ["--resume"]):
        done = job.run("--max_failure_fraction=1", *again)
        assert done.code == 0, done.stderr
        assert (done.stdout + done.stderr).replace("\n", "").isprintable()
        assert r"out[red]\x1b[1m" in done.stdout
        masks = [_named(row["image_uri"]) for row in job.rows("masks")]
        failures = [_named(row["image_uri"]) for row in job.rows("failures")]
        assert sorted(masks) == sorted(b"good-" + name for name in NAMES)
        assert set(failures) >= {b"bad-" + name for name in NAMES}
