"""What the pages name is there: flags, codes, files; and their Python does what they say."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.forking import run

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.slow
def test_the_pipeline_of_one_s_own(mobilenet_checkpoint: Path) -> None:
    """Only the model differs: the official checkpoint from disk, not over the network."""
    page = (ROOT / "docs" / "pipelines.md").read_text()
    found = re.search(r"```python\n(.*?)```\n```\n(.*?)```", page, re.DOTALL)
    assert found
    code, expected = found.groups()
    assert code.count("mobilenetv2_coco_voc_trainval") == 1
    code = code.replace("mobilenetv2_coco_voc_trainval", str(mobilenet_checkpoint))
    done = run([sys.executable, "-c", code], cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == sorted(expected.splitlines())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_flag_that_a_page_names_is_known(page: Path) -> None:
    from beam_deeplab.pipeline.beam_flags import beam_flag_names
    from beam_deeplab.pipeline.commands import build_parser
    from beam_deeplab.pipeline.options.runner_flags import RUNNER_FLAGS

    _, commands = build_parser()
    ours = [
        name
        for parser in commands.values()
        for action in parser._actions
        for name in action.option_strings
    ]
    commands_in_one_line = page.read_text().replace("\\\n", " ").splitlines()
    others = ("pip", "$ gcloud")
    text = "\n".join(
        line for line in commands_in_one_line if not any(other in line for other in others)
    )
    named = set(re.findall(r"(?<![\w-])(--[a-z][a-z_0-9]+)", text))
    runners = [flag for flags in RUNNER_FLAGS.values() for flag in flags]
    assert named - {*ours, *beam_flag_names(), *runners} == set()


def test_every_failure_code_is_explained() -> None:
    from beam_deeplab.transforms.records import FailureCode

    page = (ROOT / "docs" / "failures.md").read_text()
    assert [code for code in FailureCode if f"`{code}`" not in page] == []


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_every_path_that_a_page_names_is_there(page: str) -> None:
    """Folders end with a slash, files with .py or .md, between backticks."""
    named = re.findall(r"`([\w./-]+(?:/|\.py|\.md))`", (ROOT / page).read_text())
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_page_is_in_the_table_of_contents() -> None:
    index = (ROOT / "docs" / "index.md").read_text().splitlines()
    pages = {page.stem for page in (ROOT / "docs").glob("*.md")} - {"index"}
    assert pages <= set(index)
