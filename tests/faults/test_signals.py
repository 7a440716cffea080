"""SIGTERM ends the program as SIGINT does: at once, in one line, with nothing finished lost."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.faults.conftest import COLOUR_ENGINE, Job, ended, wait_until, write_pictures

SIGNALS = [signal.SIGINT, signal.SIGTERM]
WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "ended by SIGTERM"}

_SLOW_IMPORT = """
import builtins, os, sys
imported = builtins.__import__

def slow(name, *arguments):
    if name == {name!r}:
        print("importing", flush=True)
        while True:
            pass
    return imported(name, *arguments)

builtins.__import__ = slow
from beam_deeplab.pipeline.cli import main
sys.exit(main(["segment", "--input", "x", "--output", "y", "--model", "emoji_scenes"]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("workers", [1, 3])
def test_a_stopped_run_is_resumed(
    number: signal.Signals, workers: int, job: Job, tmp_path: Path
) -> None:
    pictures = write_pictures(tmp_path / "in", 12)
    job.flags = ["--canvas", "513", "513", "--shard_size=4", f"--workers={workers}"]
    process = job.start("--quiet", faults={**COLOUR_ENGINE, "halt_after": {"images": 1}})
    with ended(process):
        wait_until(lambda: len(job.names("masks")) >= 4, process)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert stderr == f"beam-deeplab: {WORDS[number]}; the same command with --resume continues\n"
    assert not job.is_committed()
    done = job.run("--resume", "--quiet")
    assert done.code == 0, done.stderr
    assert job.codes() == {}
    job.assert_each_once(*(path.name for path in pictures.iterdir()))


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS)
def test_worker_processes_end_with_their_launcher(
    number: signal.Signals, job: Job, tmp_path: Path
) -> None:
    """The signal reaches the launcher alone, as that of a container does."""
    pictures = write_pictures(tmp_path / "in", 200)
    job.flags = ["--canvas", "513", "513", "--shard_size=2", "--workers=2"]
    job.flags += ["--direct_running_mode=multi_processing"]
    process = job.start("--quiet", faults={})
    with ended(process):
        wait_until(lambda: len(job.names("masks")) >= 4, process)
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) >= 2
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
        assert not any(child.is_running() for child in children)
    assert process.returncode == 128 + number
    # Beam's logging of a worker may say before it that the launcher is gone.
    *_, line = stderr.strip().splitlines()
    assert line == f"beam-deeplab: {WORDS[number]}; the same command with --resume continues"
    assert "Traceback" not in stderr
    assert len(job.names("masks")) < len(list(pictures.iterdir()))
    assert not list(job.output.glob("attempts/*.open-*"))


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(
    "name",
    ["beam_deeplab.pipeline.commands", "apache_beam", "numpy", "beam_deeplab.pipeline.segment"],
)
def test_a_signal_during_imports_is_one_line(number: signal.Signals, name: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _SLOW_IMPORT.format(name=name)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with ended(process):
        assert process.stdout is not None
        assert process.stdout.readline() == "importing\n"
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert stderr.startswith(f"beam-deeplab: {WORDS[number]}")
    assert stderr.count("\n") == 1


def test_what_python_cannot_raise_ends_the_program_all_the_same() -> None:
    """The end of an import runs callbacks, out of which no exception comes."""
    code = (
        "import os, signal, sys, weakref\n"
        "from beam_deeplab.pipeline import cli\n"
        "class Thing: pass\n"
        "def run(argv):\n"
        "    thing = Thing()\n"
        "    watched = weakref.ref(thing, lambda _: os.kill(os.getpid(), signal.SIGINT))\n"
        "    del thing\n"
        "    return 7\n"
        "cli._run = run\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.exit(cli.main([]))\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 130
    assert done.stderr == "beam-deeplab: interrupted\n"
