"""The README's commands and its query do what the README shows."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from beam_deeplab.pipeline.cli import main
from beam_deeplab.pipeline.commands import build_parser
from tests.forking import run

README = (Path(__file__).parent.parent / "README.md").read_text()


def _commands() -> list[list[str]]:
    """The arguments of each ``beam-deeplab`` in a console block."""
    blocks = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    words = [shlex.split(line.removeprefix("$ "), comments=True) for line in lines]
    return [line[1:] for line in words if line and line[0].endswith("beam-deeplab")]


def test_every_command_is_one_that_the_program_takes() -> None:
    parser, _ = build_parser()
    commands = _commands()
    assert [command[0] for command in commands] == ["quickstart", "segment", "segment"]
    for command in commands:
        parser.parse_known_args(command)


@pytest.mark.slow
def test_the_areas_answer_as_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = re.search(r"```python\n(.*?)```\n```\n(.*?)```", README, re.DOTALL)
    assert found
    code, expected = found.groups()
    monkeypatch.chdir(tmp_path)
    assert main(_commands()[0]) == 0
    done = run([sys.executable, "-c", code])
    assert done.returncode == 0, done.stderr
    assert _without_last_digits(done.stdout) == _without_last_digits(expected)


def _without_last_digits(table: str) -> list[str | float]:
    """Words and numbers, these to 0.01: another CPU may round the network's sums otherwise."""
    cells = re.findall(r"[\w.]+", table)
    return [round(float(cell), 2) if "." in cell else cell for cell in cells]
