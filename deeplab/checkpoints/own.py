"""Our own weights: safetensors, because reading one cannot run code and needs no TensorFlow.

A folder holds ``weights.safetensors`` (variables by official name; the configuration, the label
set and the canvas in its metadata) and ``model.json`` (the same for people and launchers, and the
SHA-256 of the weights' file, which therefore covers everything).
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from beam_deeplab.deeplab.architecture import DeepLabConfig
from beam_deeplab.deeplab.architecture.config import MAX_CANVAS_SIDE
from beam_deeplab.deeplab.checkpoints.checkpoint import Checkpoint
from beam_deeplab.deeplab.checkpoints.files import (
    DESCRIPTION_NAME,
    WEIGHTS_NAME,
    CheckpointError,
    sha256_of,
)
from beam_deeplab.deeplab.labels import LabelError, LabelSet

if TYPE_CHECKING:
    import keras

_METADATA_KEY = "deeplab"
_DESCRIBED = ("config", "labels", "canvas")


def save_network(
    network: keras.Model,
    config: DeepLabConfig,
    folder: str | Path,
    labels: LabelSet,
    canvas: tuple[int, int],
) -> str:
    """Writes a network's weights in our own format; gives their digest.

    Args:
        network: What :func:`deeplab.architecture.builder.build_network` built.
        config: What it was built from.
        folder: Where the two files go; made if it is not there, replaced if they are.
        labels: The classes, in the order of the logits.
        canvas: (height, width) of the input that it is meant for; multiples of the output stride
            plus one.

    Raises:
        ValueError: Not one label a class.
    """
    from beam_deeplab.deeplab.architecture.layers import official_variables

    if len(labels) != config.num_classes:
        raise ValueError(f"{len(labels)} labels for {config.num_classes} classes")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {
        name: np.ascontiguousarray(variable.numpy(), np.float32)
        for name, variable in official_variables(network).items()
    }
    description = {
        "config": dataclasses.asdict(config),
        "labels": labels.to_dict(),
        "canvas": list(canvas),
    }
    # One metadata key, since safetensors writes several in no fixed order.
    metadata = {_METADATA_KEY: json.dumps(description, sort_keys=True)}
    pending = folder / f".{WEIGHTS_NAME}"
    save_file(arrays, pending, metadata)
    pending.replace(folder / WEIGHTS_NAME)
    digest = sha256_of([folder / WEIGHTS_NAME])
    pending = folder / f".{DESCRIPTION_NAME}"
    pending.write_text(json.dumps({**description, "digest": digest}, indent=2) + "\n", "utf-8")
    pending.replace(folder / DESCRIPTION_NAME)
    return digest


def open_own(path: Path, digest: str) -> Checkpoint:
    """Opens a ``weights.safetensors`` that :func:`save_network` wrote, with what stands beside it.

    Raises:
        CheckpointError: The description is damaged, or not of these weights.
    """
    description = _read_description(path.parent / DESCRIPTION_NAME)
    if description["digest"] != digest:
        raise CheckpointError(
            f"{path} has the digest {digest}, but {DESCRIPTION_NAME} beside it says "
            f"{description['digest']}: one of the two was changed; fetch or save both again"
        )
    try:
        # Opened anew for each variable, so that nothing keeps the file open.
        with safe_open(path, "np") as weights:
            embedded = json.loads((weights.metadata() or {}).get(_METADATA_KEY, "{}"))
            names = weights.keys()
            shapes = {name: tuple(weights.get_slice(name).get_shape()) for name in names}
    except (SafetensorError, ValueError, RecursionError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if embedded != {key: description[key] for key in _DESCRIBED}:
        raise CheckpointError(
            f"{DESCRIPTION_NAME} beside {path} describes another network than the weights do; "
            "fetch or save both again"
        )

    def read(name: str) -> NDArray[np.float32]:
        with safe_open(path, "np") as weights:
            return np.asarray(weights.get_tensor(name), np.float32)

    try:
        config = DeepLabConfig.from_dict(description["config"])
        labels = LabelSet.from_dict(description["labels"])
        if len(labels) != config.num_classes:
            raise LabelError(f"{len(labels)} labels for {config.num_classes} classes")
        canvas = _read_canvas(description["canvas"])
        return Checkpoint(path, shapes, digest, read, config, labels, canvas)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{DESCRIPTION_NAME} beside {path}: {error}") from error


def _read_canvas(sides: Any) -> tuple[int, int]:
    if not (
        isinstance(sides, list)
        and len(sides) == 2
        and all(type(side) is int and 1 <= side <= MAX_CANVAS_SIDE for side in sides)
    ):
        raise ValueError(f"the canvas is two whole numbers from 1 to {MAX_CANVAS_SIDE}")
    return sides[0], sides[1]


def _read_description(path: Path) -> dict[str, Any]:
    try:
        description: Any = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not JSON: {error}") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    wanted = {*_DESCRIBED, "digest"}
    if not isinstance(description, dict) or wanted - description.keys():
        raise CheckpointError(f"{path} lacks config, labels, canvas or digest")
    return description
