"""The README's Python does what the README says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


@pytest.mark.slow
def test_the_pipeline_of_one_s_own(mobilenet_checkpoint: Path) -> None:
    """Only the model differs: the official checkpoint from disk, not over the network."""
    found = re.search(r"```python\n(.*?)```\n```\n(.*?)```", README, re.DOTALL)
    assert found
    code, expected = found.groups()
    assert code.count("mobilenetv2_coco_voc_trainval") == 1
    code = code.replace("mobilenetv2_coco_voc_trainval", str(mobilenet_checkpoint))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == sorted(expected.splitlines())


def test_every_flag_that_the_readme_names_is_known() -> None:
    from beam_deeplab.pipeline.beam_flags import beam_flag_names
    from beam_deeplab.pipeline.commands import build_parser

    _, commands = build_parser()
    ours = [
        name
        for parser in commands.values()
        for action in parser._actions
        for name in action.option_strings
    ]
    named = set(re.findall(r"(--[a-z][a-z_0-9]+)", README))
    assert named - {*ours, *beam_flag_names()} == set()
    assert {"--input", "--output", "--model"} <= named
