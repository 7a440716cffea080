"""Ctrl-C while scenes are written: one line, from however many processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.faults.conftest import ended, wait_until


def test_an_interrupt_is_one_line_and_overwriting_begins_anew(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    command = [sys.executable, "-m", "beam_deeplab", "demo-data", "--output", str(folder)]
    writing = [*command, "--count", "100000", "--size", "64"]
    with ended(
        subprocess.Popen(writing, stderr=subprocess.PIPE, text=True, start_new_session=True)
    ) as process:
        wait_until(lambda: folder.is_dir() and any(folder.iterdir()), process)
        os.killpg(process.pid, signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr == ("beam-deeplab: interrupted; the same command with --overwrite begins anew\n")
    assert len(list(folder.iterdir())) < 100_000
    subprocess.run([*command, "--count", "2", "--size", "64", "--overwrite"], check=True)
    assert sorted(path.stem for path in folder.iterdir()) == ["scene-00000", "scene-00001"]
