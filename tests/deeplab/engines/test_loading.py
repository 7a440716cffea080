from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.forking import NETWORKS, Forked
from tests.small_models import write_small_checkpoint

_START = """
import json, sys
import numpy as np
from beam_deeplab.deeplab.engines import load_engine
from beam_deeplab.deeplab.models import inspect_model
model = inspect_model(sys.argv[1])
engine = load_engine(model, (33, 49), 16, "openvino")
images = np.random.default_rng(0).uniform(-1, 1, (3, 33, 49, 3)).astype(np.float32)
logits = engine(images)
engine.close()
print(json.dumps({
    "logits": logits.tobytes().hex(),
    "loaded": sorted({"tensorflow", "keras"} & set(sys.modules)),
}))
"""


def start(checkpoint: Path, cache: Path, *, imported: bool = False) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _START, str(checkpoint)]
    environment = {**os.environ, "BEAM_DEEPLAB_CACHE": str(cache)}
    if imported:
        return Forked(command, imports=NETWORKS, env=environment, stdout=subprocess.PIPE)
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def answer(process: subprocess.Popen[str]) -> tuple[str, list[str]]:
    said, _ = process.communicate()
    assert process.returncode == 0
    result = json.loads(said.splitlines()[-1])
    return result["logits"], result["loaded"]


@pytest.mark.slow
def test_a_second_start_needs_neither_tensorflow_nor_keras(tmp_path: Path) -> None:
    checkpoint = write_small_checkpoint(tmp_path / "small")
    first, loaded = answer(start(checkpoint, tmp_path / "cache"))
    assert loaded == ["keras", "tensorflow"]
    second, loaded = answer(start(checkpoint, tmp_path / "cache"))
    assert loaded == []
    assert second == first


@pytest.mark.slow
def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    checkpoint = write_small_checkpoint(tmp_path / "small")
    processes = [start(checkpoint, tmp_path / "cache", imported=True) for _ in range(3)]
    assert len({answer(process)[0] for process in processes}) == 1
    visible = [path for path in (tmp_path / "cache").rglob("*") if path.name[0] != "."]
    kept = [path for path in visible if path.is_file()]
    assert sorted(path.suffix for path in kept) == [".bin", ".json", ".xml"], "one entry"
