"""Weights that nobody vouches for: whatever they claim, they cost little and end in one line."""

from __future__ import annotations

import dataclasses
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beam_deeplab.deeplab.architecture import AsppConfig, DecoderConfig, DeepLabConfig
from beam_deeplab.deeplab.architecture.config import LOW_LEVEL_ENDPOINTS
from beam_deeplab.deeplab.architecture.variables import variable_shapes
from tests.deeplab.checkpoints.test_graph_facts import small_graph
from tests.written_weights import constant, graph_of, write_bundle, write_safetensors

CONFIG = DeepLabConfig(
    "mobilenet_v2",
    num_classes=3,
    depth_multiplier=0.1,
    aspp=AsppConfig(channels=4),
    decoder=DecoderConfig(LOW_LEVEL_ENDPOINTS["mobilenet_v2"], 4, 4),
)
SHAPES = variable_shapes(CONFIG)
VALUES = {name: np.zeros(shape, np.float32) for name, shape in SHAPES.items()}
DESCRIPTION: dict[str, Any] = {
    "config": dataclasses.asdict(CONFIG),
    "labels": {"name": "x", "ignore_label": 255, "classes": ["a", "b", "c"]},
    "canvas": [33, 33],
}

_PROGRAM = """
import resource, sys, traceback
from pathlib import Path
from beam_deeplab.deeplab.checkpoints import CheckpointError
from beam_deeplab.deeplab.models import inspect_model
from beam_deeplab.deeplab.zoo import ZooError
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
for path in sys.stdin.read().splitlines():
    print(path, flush=True)
    try:
        inspect_model(path)
        print("LOADED")
    except (CheckpointError, ZooError) as error:
        line = str(error)
        assert len(line.splitlines()) == 1 and len(line) < 3000, line
        print("REFUSED", line)
assert not {"tensorflow", "keras"} & set(sys.modules)
print("END")
"""


def judged(paths: list[Path], tmp_path: Path) -> list[str]:
    """What a process with 2 GiB of address space makes of each path, a line each."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        input="\n".join(map(str, paths)),
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "BEAM_DEEPLAB_CACHE": str(tmp_path / "cache")}
        | {"PYTHONPATH": str(Path(__file__).parents[3])},
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0, f"{lines[-1:]}: {done.stderr[-2000:]}"
    assert lines[-1] == "END"
    return lines[1:-1:2]


WEIGHTS, BIASES = "logits/semantic/weights", "logits/semantic/biases"
CLAIMS: list[dict[str, tuple[int, ...]]] = [
    {WEIGHTS: (1, 1, 4, -5), BIASES: (-5,)},
    {WEIGHTS: (1, 1, 4, 2**31), BIASES: (2**31,)},
    {WEIGHTS: (1, 1, 2**62, 3)},
    {WEIGHTS: (2**62, 2**62, 2**62, 2**62)},
    {WEIGHTS: (1, 1, 1_500_000, 3), "concat_projection/weights": (1, 1, 8, 1_500_000)},
    {WEIGHTS: (1, 1, 4, 300), BIASES: (300,)},
    {WEIGHTS: ()},
    {WEIGHTS: (0, 0, 0, 0)},
    {WEIGHTS: (1,) * 300},
    {"MobilenetV2/Conv/weights": (3, 3, 3, 32 * 60)},
    {"decoder/feature_projection0/weights": (1, 1, 8, 10**9)},
]


@pytest.mark.parametrize("claims", CLAIMS, ids=[str(index) for index in range(len(CLAIMS))])
def test_claims_beyond_the_file_are_refused(
    tmp_path: Path, claims: dict[str, tuple[int, ...]]
) -> None:
    bundle = write_bundle(tmp_path / "bundle" / "m", VALUES, claims)
    graph = tmp_path / "graph.pb"
    graph.write_bytes(graph_of({**SHAPES, **claims}).SerializeToString())
    own = write_safetensors(tmp_path / "own", {**SHAPES, **claims}, DESCRIPTION, bytes(1000))
    for line in judged([bundle, graph, own], tmp_path):
        assert line.startswith("REFUSED"), line


def test_what_is_sound_is_loaded(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle" / "m", VALUES)
    graph = graph_of({name: shape for name, shape in SHAPES.items() if len(shape) == 1})
    for name, shape in SHAPES.items():
        if len(shape) > 1:
            constant(graph, name, 1, shape, tensor_content=VALUES[name].tobytes())
    path = tmp_path / "graph.pb"
    path.write_bytes(graph.SerializeToString())
    assert judged([bundle, path], tmp_path) == ["LOADED"] * 2


@pytest.mark.parametrize(
    "change",
    [
        {"config": {**DESCRIPTION["config"], "depth_multiplier": 60}},
        {"config": {**DESCRIPTION["config"], "depth_multiplier": 1e300}},
        {"config": {**DESCRIPTION["config"], "num_classes": 2**31}},
        {"config": {**DESCRIPTION["config"], "num_classes": 300}},
        {"config": {**DESCRIPTION["config"], "aspp": {"rates": [2**80], "channels": 2**80}}},
        {"config": {**DESCRIPTION["config"], "aspp": {"rates": list(range(1, 10**5))}}},
        {"config": {**DESCRIPTION["config"], "decoder": []}},
        {"config": {**DESCRIPTION["config"], "output_stride": "16"}},
        {"config": "mobilenet_v2"},
        {"canvas": [2**31, 2**31]},
        {"canvas": [True, -1]},
        {"labels": {"classes": ["a"] * 300}},
        {"labels": {"classes": ["a"]}},
        {"labels": None},
    ],
    ids=lambda change: str(change)[:60],
)
def test_impossible_descriptions_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    own = write_safetensors(tmp_path / "own", {}, {**DESCRIPTION, **change})
    (line,) = judged([own], tmp_path)
    assert line.startswith("REFUSED"), line


def test_what_is_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    description = write_safetensors(tmp_path / "a", {}, DESCRIPTION) / "model.json"
    description.write_text("[" * 200_000)
    graph = tmp_path / "graph.pb"
    graph.write_bytes(b"\x0a\xff\xff\xff\xff\x0f" * 1000)
    for line in judged([description.parent, graph], tmp_path):
        assert line.startswith("REFUSED"), line


def _mutants(whole: bytes, count: int, chance: random.Random) -> Iterator[bytes]:
    for _ in range(count):
        content = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(len(content))
            match chance.randrange(4):
                case 0:
                    content[place] = chance.randrange(256)
                case 1:
                    del content[place : place + chance.randint(1, 40)]
                case 2:
                    content[place:place] = chance.choice([b"\xff" * 9, b"\x80" * 12, b"\0" * 50])
                case _:
                    content[place : place + 8] = chance.randbytes(8)
        yield bytes(content)


@pytest.mark.parametrize("seed", range(3))
def test_mutated_files_are_loaded_or_refused(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    bundle = write_bundle(tmp_path / "whole" / "m", VALUES)
    index = Path(f"{bundle}.index").read_bytes()
    graph = small_graph((65, 65), (2, 2, 2)).SerializeToString()
    graph += graph_of(SHAPES).SerializeToString()
    own = write_safetensors(tmp_path / "sound", {"a/weights": (2,)}, DESCRIPTION, bytes(8))
    paths = []
    for number, content in enumerate(_mutants(index, 60, chance)):
        copy = shutil.copytree(bundle.parent, tmp_path / f"bundle{number}")
        (copy / "m.index").write_bytes(content)
        paths.append(copy)
    for number, content in enumerate(_mutants(graph, 60, chance)):
        (tmp_path / f"{number}.pb").write_bytes(content)
        paths.append(tmp_path / f"{number}.pb")
    for number, content in enumerate(_mutants((own / "model.json").read_bytes(), 60, chance)):
        copy = shutil.copytree(own, tmp_path / f"own{number}")
        (copy / "model.json").write_bytes(content)
        paths.append(copy)
    lines = judged(paths, tmp_path)
    assert len(lines) == len(paths)
    assert all(line.startswith(("LOADED", "REFUSED")) for line in lines)
