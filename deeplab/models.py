"""A model as a run knows it: where its weights are, what they are, what its classes mean."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from beam_deeplab.deeplab.architecture import DeepLabConfig
from beam_deeplab.deeplab.checkpoints import (
    CheckpointError,
    digest_of,
    find_weights,
    open_checkpoint,
)
from beam_deeplab.deeplab.checkpoints.files import Format, WeightFiles
from beam_deeplab.deeplab.derived_cache import DerivedEntry, code_digest
from beam_deeplab.deeplab.labels import LabelSet, for_class_count
from beam_deeplab.deeplab.quiet_tensorflow import import_tensorflow_quietly
from beam_deeplab.deeplab.zoo import BUNDLED_MODELS, find_model, locate

if TYPE_CHECKING:
    import keras

_CANVAS_BY_LABELS = {"cityscapes": (1025, 2049)}
_CANVAS = (513, 513)
"""Input sizes of the official evaluation; they belong to the dataset."""

_INSPECTED_STRIDE = 16
"""Output stride of the configuration that a model is described by; weights fit any."""


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

    def load_network(
        self, output_stride: int, input_size: tuple[int, int] | None = None
    ) -> keras.Model:
        """Fetches the weights and builds the network around them.

        Args:
            output_stride: Of the backbone, 8 or 16.
            input_size: (height, width) of its input; None for any that fits the output stride.

        Returns:
            Keras model from float32 [n, height, width, 3] in [-1, 1] to logits.

        Raises:
            deeplab.zoo.ModelNotFound: The weights are not at ``reference``.
            CheckpointError: They are not the ones that this model was inspected with.
        """
        from beam_deeplab.deeplab.checkpoints import load_network

        path = locate(self.reference)
        if digest_of(path) != self.digest:
            raise CheckpointError(
                f"{self.reference} holds other weights than when the run was planned: "
                f"put {self.digest[:12]}… back, or start a new run"
            )
        return load_network(path, output_stride, input_size)


def inspect_model(reference: str) -> ModelSpec:
    """Finds a model and reads what it is from its variables' names and shapes.

    What they tell is kept in the cache folder under the weights' digest, so that TensorFlow,
    which alone reads official files, is imported only when a model is new.

    Args:
        reference: A zoo name, a local path or a ``gs://`` path.

    Returns:
        The model; a local reference is made absolute.

    Raises:
        deeplab.zoo.ModelNotFound: There is no such model.
        CheckpointError: It is not a DeepLab network that this package knows.
    """
    official = find_model(reference)
    weights = find_weights(locate(reference))
    digest = weights.digest()
    facts = _read_facts(weights, digest)
    config = facts.config
    labels = facts.labels or (official.labels if official else for_class_count(config.num_classes))
    canvas = facts.canvas or (
        official.canvas if official else _CANVAS_BY_LABELS.get(labels.name, _CANVAS)
    )
    return ModelSpec(
        reference=official.name if official else _as_workers_find_it(reference),
        digest=digest,
        config=config,
        labels=labels,
        canvas=canvas,
    )


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is known from weights: always the network; classes and canvas from our own only."""

    config: DeepLabConfig
    labels: LabelSet | None = None
    canvas: tuple[int, int] | None = None


def _read_facts(weights: WeightFiles, digest: str) -> _Facts:
    if weights.format is Format.OWN:
        checkpoint = open_checkpoint(weights.path)
        return _Facts(checkpoint.config_at(_INSPECTED_STRIDE), checkpoint.labels, checkpoint.canvas)

    def restore(kept: bytes) -> DeepLabConfig:
        return DeepLabConfig.from_json(kept.decode())

    def make() -> tuple[DeepLabConfig, bytes]:
        import_tensorflow_quietly()
        config = open_checkpoint(weights.path).config_at(_INSPECTED_STRIDE)
        return config, config.to_json().encode()

    entry = DerivedEntry(
        shelf="networks",
        name=digest[:12],
        key={
            "weights": digest,
            "code": code_digest(
                "beam_deeplab.deeplab.architecture", "beam_deeplab.deeplab.checkpoints"
            ),
        },
    )
    return _Facts(entry.load_or_make(restore, make))


def _as_workers_find_it(reference: str) -> str:
    if "://" in reference or reference in BUNDLED_MODELS:
        return reference
    return str(Path(reference).expanduser().absolute())
