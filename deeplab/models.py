"""A model as a run knows it: where its weights are, what they are, what its classes mean."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deeplab.architecture import DeepLabConfig
from deeplab.checkpoints import CheckpointError, digest_of, open_checkpoint
from deeplab.labels import LabelSet, for_class_count
from deeplab.zoo import find_model, locate

if TYPE_CHECKING:
    import keras

_CANVAS_BY_LABELS = {"cityscapes": (1025, 2049)}
_CANVAS = (513, 513)
"""Input sizes of the official evaluation; they belong to the dataset."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What a run must know of a model before any worker has loaded it.

    Attributes:
        reference: Where workers find the weights: a zoo name, a path or a ``gs://`` path.
        digest: SHA-256 of the weights' files, 64 hex digits.
        config: The network.
        labels: Its classes and palette.
        canvas: (height, width) of its official input.
    """

    reference: str
    digest: str
    config: DeepLabConfig
    labels: LabelSet
    canvas: tuple[int, int]

    def load_network(self, output_stride: int) -> keras.Model:
        """Fetches the weights and builds the network around them.

        Args:
            output_stride: Of the backbone, 8 or 16.

        Returns:
            Keras model from float32 [n, height, width, 3] in [-1, 1] to logits.

        Raises:
            deeplab.zoo.ModelNotFound: The weights are not at ``reference``.
            CheckpointError: They are not the ones that this model was inspected with.
        """
        from deeplab.checkpoints import load_network

        path = locate(self.reference)
        if digest_of(path) != self.digest:
            raise CheckpointError(
                f"{self.reference} holds other weights than when the run was planned: "
                f"put {self.digest[:12]}… back, or start a new run"
            )
        return load_network(path, output_stride=output_stride)


def inspect_model(reference: str) -> ModelSpec:
    """Finds a model and reads what it is from its variables' names and shapes.

    Args:
        reference: A zoo name, a local path or a ``gs://`` path.

    Returns:
        The model; a local reference is made absolute.

    Raises:
        deeplab.zoo.ModelNotFound: There is no such model.
        CheckpointError: It is not a DeepLab network that this package knows.
    """
    official = find_model(reference)
    path = locate(reference)
    checkpoint = open_checkpoint(path)
    config = checkpoint.config_at(output_stride=16)
    if checkpoint.labels is not None:
        labels = LabelSet.from_dict(
            checkpoint.labels, name=reference.rstrip("/").rpartition("/")[2]
        )
    else:
        labels = official.labels if official else for_class_count(config.num_classes)
    return ModelSpec(
        reference=_absolute(reference) if official is None else official.name,
        digest=checkpoint.digest,
        config=config,
        labels=labels,
        canvas=official.canvas if official else _CANVAS_BY_LABELS.get(labels.name, _CANVAS),
    )


def _absolute(reference: str) -> str:
    return reference if "://" in reference else str(Path(reference).expanduser().absolute())
