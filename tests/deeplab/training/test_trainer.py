from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beam_deeplab.deeplab.training.config import (
    InputConfig,
    ModelConfig,
    OptimizerConfig,
    StoppingConfig,
    TrainingConfig,
)
from beam_deeplab.deeplab.training.pairs import list_data
from beam_deeplab.deeplab.training.samples import FileSamples, Sample, Samples
from beam_deeplab.deeplab.training.state import EpochRecord, StateError, identify, read_state
from beam_deeplab.deeplab.truth import TruthRule
from tests.deeplab.training.test_samples import LABELS, READER
from tests.deeplab.training.test_state import record
from tests.shapes import draw_shapes, write_shapes

SAMPLES = [Sample(*draw_shapes(number)) for number in range(4)]


def _config(**optimizer: Any) -> TrainingConfig:
    return TrainingConfig(
        ModelConfig("shapes", depth_multiplier=0.1),
        InputConfig((49, 65)),
        OptimizerConfig(**{"batch_size": 4, "epochs": 1, **optimizer}),
        StoppingConfig(patience=2),
    )


def _data(config: TrainingConfig, training: Samples = SAMPLES) -> Any:
    from beam_deeplab.deeplab.training.trainer import TrainingData

    identity = identify(config, TruthRule(LABELS), ["a"], [])
    return TrainingData(training, [], LABELS, [900, 90, 30], identity)


def _train(config: TrainingConfig, data: Any, output: Path, watcher: _Watcher | None = None) -> Any:
    from beam_deeplab.deeplab.training.trainer import prepare_network, train

    return train(config, data, prepare_network(config, len(LABELS)), output, watcher or _Watcher())


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        (None, [1, 1, 1, 1]),
        ((1.0, 2.0, 0.5, 3.0), [1, 2, 0.5, 3]),
        ("balanced", [90 / 900, 1.0, 10.0, 1.0]),
    ],
)
def test_classes_are_weighted_as_configured(weights: Any, expected: list[float]) -> None:
    from beam_deeplab.deeplab.training.trainer import class_weights

    config = _config(class_weights=weights)
    assert class_weights(config, [900, 90, 3, 0]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("scores", "over"),
    [
        ([], False),
        ([0.5], False),
        ([0.5, 0.4], False),
        ([0.5, 0.4, 0.5], True),
        ([0.5, 0.4, 0.6, 0.5], False),
        ([None] * 9, False),
    ],
)
def test_a_training_is_over_when_it_gets_no_better(scores: list[float | None], over: bool) -> None:
    from beam_deeplab.deeplab.training.trainer import is_over

    history = tuple(record(epoch, score) for epoch, score in enumerate(scores, start=1))
    assert is_over(_config(), history) == over


@pytest.mark.slow
def test_a_loss_that_is_not_finite_ends_the_training(tmp_path: Path) -> None:
    from beam_deeplab.deeplab.training.trainer import TrainingError

    config = _config(learning_rate=1e30, epochs=5)
    with pytest.raises(TrainingError, match=r"the loss is .* in epoch \d: lower .optimizer."):
        _train(config, _data(config), tmp_path)


def test_a_picture_that_vanishes_ends_the_training_by_name(tmp_path: Path) -> None:
    from beam_deeplab.deeplab.training.trainer import TrainingError

    pairs = list_data([write_shapes(tmp_path / "data", 4)]).training
    pairs[2].truth.unlink()
    config = _config()
    with pytest.raises(TrainingError, match=f"^{pairs[2].truth}: cannot be read"):
        _train(config, _data(config, FileSamples(pairs, READER)), tmp_path / "out")


class _Watcher:
    def __init__(self) -> None:
        self.calls: list[Any] = []

    def began(self, steps: int, done: int, history: tuple[EpochRecord, ...], epochs: int) -> None:
        self.calls.append((steps, done, len(history), epochs))

    def stepped(self, loss: float, pictures: int) -> None:
        self.calls.append(pictures)

    def validated(self, record: EpochRecord) -> None:
        self.calls.append(record.epoch)


@pytest.mark.slow
def test_a_training_tells_and_leaves_what_it_did(tmp_path: Path) -> None:
    from beam_deeplab.deeplab.checkpoints import open_checkpoint

    watcher = _Watcher()
    config = _config(batch_size=2)
    history = _train(config, _data(config), tmp_path, watcher)
    assert watcher.calls == [(2, 0, 0, 1), 2, 2, 1]
    assert (history[0].steps, history[0].miou) == (2, None)
    assert history[0].learning_rate == pytest.approx(0.007 * 0.5**0.9)
    model, state = open_checkpoint(tmp_path / "model"), read_state(tmp_path / "checkpoint")
    assert (model.labels, model.canvas) == (LABELS, (49, 65))
    assert state is not None
    for name in model.shapes:
        np.testing.assert_array_equal(model.read(name), state.tensors[f"network/{name}"])
    again = _Watcher()
    assert _train(config, _data(config), tmp_path, again) == history
    assert again.calls == [(2, 2, 1, 1)]
    other = _config(batch_size=2, seed=1)
    with pytest.raises(StateError, match=r"optimizer.seed was 0 and is now 1"):
        _train(other, _data(other), tmp_path)
