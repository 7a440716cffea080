"""The whole state of a training in one file, from which it goes on as if never interrupted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from beam_deeplab.deeplab.training.config import TrainingConfig
from beam_deeplab.deeplab.training.config_file import flat_config
from beam_deeplab.deeplab.truth import TruthRule

STATE_FILE = "state.safetensors"
_METADATA_KEY = "training"
_WITHOUT_INFLUENCE = ("input.cache_megabytes",)


class StateError(ValueError):
    """A training that cannot be continued; the message says what to do."""


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """What came of one epoch.

    Attributes:
        epoch: Its number, from 1.
        steps: Steps done since the training began.
        loss: Mean over the epoch's steps.
        learning_rate: Of its last step.
        miou: Of the validation pictures, 0 to 1; None where there are none.
        pixel_accuracy: Likewise.
        iou: By class name; None for a class that is neither there nor predicted.
        seconds: That it took, validation included.
        images_per_second: Of the training steps alone.
    """

    epoch: int
    steps: int
    loss: float
    learning_rate: float
    miou: float | None
    pixel_accuracy: float | None
    iou: dict[str, float | None]
    seconds: float
    images_per_second: float


@dataclass(frozen=True, slots=True)
class TrainingState:
    """Where a training stands at the end of an epoch.

    Attributes:
        tensors: Variables of the network, the optimizer and the moving averages.
        identity: What must be the same to go on: the configuration by dotted keys, and the data.
        history: The epochs that are done.
    """

    tensors: Mapping[str, NDArray[np.generic]]
    identity: Mapping[str, Any]
    history: tuple[EpochRecord, ...]


def best_epoch(history: tuple[EpochRecord, ...]) -> EpochRecord:
    """The first of the epochs with the best mIoU; the last one where nothing was validated."""
    if history[-1].miou is None:
        return history[-1]
    return max(history, key=lambda record: (record.miou or 0.0, -record.epoch))


def write_state(folder: Path, state: TrainingState) -> None:
    """Writes a state over the one before in a folder, which stays whole until the new one is."""
    folder.mkdir(parents=True, exist_ok=True)
    description = {
        "identity": dict(state.identity),
        "history": [asdict(record) for record in state.history],
    }
    # np.ascontiguousarray would give a scalar an axis.
    arrays = {name: np.asarray(tensor, order="C") for name, tensor in state.tensors.items()}
    pending = folder / f".{STATE_FILE}"
    save_file(arrays, pending, {_METADATA_KEY: json.dumps(description, sort_keys=True)})
    pending.replace(folder / STATE_FILE)


def read_state(folder: Path) -> TrainingState | None:
    """Reads what :func:`write_state` wrote; None if no epoch was ever done.

    Raises:
        StateError: The file is damaged.
    """
    path = folder / STATE_FILE
    if not path.is_file():
        return None
    try:
        with safe_open(path, "np") as file:
            description = json.loads((file.metadata() or {})[_METADATA_KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        history = tuple(EpochRecord(**record) for record in description["history"])
        return TrainingState(tensors, description["identity"], history)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise StateError(f"{path} cannot be read ({error}): start anew with --overwrite") from error


def check_same(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuses to go on with another configuration or other data.

    Raises:
        StateError: Names what differs, and both values.
    """
    for key in sorted(before.keys() | now.keys()):
        if before.get(key) != now.get(key):
            raise StateError(
                f"{key} was {before.get(key)!r} and is now {now.get(key)!r}: a resumed training "
                "keeps its configuration and data; use --overwrite or another --output"
            )


def identify(
    config: TrainingConfig, rule: TruthRule, training: Sequence[str], validation: Sequence[str]
) -> dict[str, Any]:
    """What must not change between the runs of one training, as values of JSON by dotted key.

    Beside the configuration, and the rule of how truth is understood, it is the names of the pairs
    to learn from, in their order, and of those to be scored with.
    """
    keys = flat_config(config)
    return {
        **{key: value for key, value in keys.items() if key not in _WITHOUT_INFLUENCE},
        "classes": list(rule.labels.names),
        "truth format": rule.truth_format,
        "ignored ids": list(rule.ignored) or None,
        "training data": _describe_names(training),
        "validation data": _describe_names(validation),
    }


def _describe_names(names: Sequence[str]) -> str:
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()
    return f"{len(names)} pairs, {digest[:12]}"
