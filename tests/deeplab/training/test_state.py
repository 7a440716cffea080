from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from beam_deeplab.deeplab.labels import VOC, LabelSet
from beam_deeplab.deeplab.training.config import (
    InputConfig,
    ModelConfig,
    TrainingConfig,
)
from beam_deeplab.deeplab.training.state import (
    EpochRecord,
    StateError,
    TrainingState,
    best_epoch,
    check_same,
    identify,
    read_state,
    write_state,
)
from beam_deeplab.deeplab.truth import TruthFormat, TruthRule

CONFIG = TrainingConfig(ModelConfig("voc"))
RULE = TruthRule(VOC)


def record(epoch: int, miou: float | None) -> EpochRecord:
    iou = {} if miou is None else {"a": miou, "b": None}
    return EpochRecord(epoch, 10 * epoch, 0.5, 0.01, miou, miou, iou, 3.0, 20.0)


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    tensors: dict[str, NDArray[Any]] = {
        "network/a/weights": np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32),
        "optimizer/0": np.array(7, np.int64),
    }
    identity = identify(CONFIG, RULE, ["a", "b"], ["c"])
    history = (record(1, 0.5), record(2, None))
    write_state(tmp_path / "c", TrainingState(tensors, identity, history))
    state = read_state(tmp_path / "c")
    assert state is not None
    assert (state.identity, state.history) == (identity, history)
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(state.tensors[name], tensor)
        assert (state.tensors[name].dtype, state.tensors[name].shape) == (
            tensor.dtype,
            tensor.shape,
        )
    assert [file.name for file in (tmp_path / "c").iterdir()] == ["state.safetensors"]
    assert read_state(tmp_path) is None


@pytest.mark.parametrize("keep", [0, 5, 200, -1])
def test_a_damaged_state_is_refused(tmp_path: Path, keep: int) -> None:
    write_state(tmp_path, TrainingState({"a": np.zeros(9)}, {}, (record(1, 0.1),)))
    path = tmp_path / "state.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(StateError, match=r"cannot be read .*--overwrite"):
        read_state(tmp_path)


@pytest.mark.parametrize(
    ("scores", "best"),
    [([0.2, 0.5, 0.4], 2), ([0.5, 0.5, 0.4], 1), ([None, None], 2), ([0.0, 0.0], 1)],
)
def test_the_best_epoch_is_the_first_with_the_best_score(
    scores: list[float | None], best: int
) -> None:
    history = tuple(record(epoch, score) for epoch, score in enumerate(scores, start=1))
    assert best_epoch(history).epoch == best


def test_what_differs_is_named() -> None:
    before = identify(CONFIG, RULE, ["a", "b"], ["c"])
    check_same(before, identify(CONFIG, RULE, ["a", "b"], ["c"]))
    changed = replace(CONFIG, optimizer=replace(CONFIG.optimizer, epochs=60))
    with pytest.raises(StateError, match=r"^optimizer.epochs was 50 and is now 60: .*--overwrite"):
        check_same(before, identify(changed, RULE, ["a", "b"], ["c"]))
    with pytest.raises(StateError, match=r"^training data was '2 pairs, .* now '3 pairs"):
        check_same(before, identify(CONFIG, RULE, ["a", "b", "d"], ["c"]))
    with pytest.raises(StateError, match=r"^validation data was"):
        check_same(before, identify(CONFIG, RULE, ["a", "b"], ["d"]))
    two = LabelSet("two", ("x", "y"), ((0, 0, 0), (1, 1, 1)))
    with pytest.raises(StateError, match=r"^classes was"):
        check_same(before, identify(CONFIG, TruthRule(two), ["a", "b"], ["c"]))


def test_what_decides_no_weights_may_differ() -> None:
    more = replace(CONFIG, input=InputConfig(cache_megabytes=1))
    check_same(identify(CONFIG, RULE, ["a"], []), identify(more, RULE, ["a"], []))


def test_truth_that_is_read_in_another_way_is_another_training() -> None:
    before = identify(CONFIG, RULE, ["a"], [])
    with pytest.raises(StateError, match=r"^ignored ids was None and is now \[3\]"):
        check_same(before, identify(CONFIG, TruthRule(VOC, ignored=(3,)), ["a"], []))
    with pytest.raises(StateError, match=r"^truth format was None and is now .*colors"):
        check_same(before, identify(CONFIG, TruthRule(VOC, TruthFormat.COLORS), ["a"], []))
