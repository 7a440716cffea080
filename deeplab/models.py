"""A model as a run knows it: where its weights are, what they are, what its classes mean."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from beam_deeplab.deeplab.architecture import DeepLabConfig
from beam_deeplab.deeplab.checkpoints import CheckpointError, digest_of, open_checkpoint
from beam_deeplab.deeplab.checkpoints.checkpoint import DEFAULT_OUTPUT_STRIDE
from beam_deeplab.deeplab.labels import LabelSet, for_class_count, is_official
from beam_deeplab.deeplab.quantized import (
    NETWORKS_NAME,
    QuantizedCard,
    is_quantized,
    open_quantized,
)
from beam_deeplab.deeplab.staged import StagedModel
from beam_deeplab.deeplab.zoo import BUNDLED_MODELS, find_model, local_path, locate

if TYPE_CHECKING:
    import keras

_CANVAS = (513, 513)
"""Input size of most official models, for weights that do not say theirs."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What a run must know of a model before any worker has loaded it.

    Attributes:
        reference: Where the weights are found: a zoo name, a path or a ``gs://`` path.
        digest: SHA-256 of the weights' files, 64 hex digits.
        config: The network.
        labels: Its classes and palette.
        canvas: (height, width) of its official input.
        output_stride: Of the backbone as the model was exported or saved, else 16.
        guesses: What of this is not known but guessed, ``model`` (one of several
            checkpoints), ``labels`` or ``canvas``, and a line for
            people about it.
        staged: Where workers find instead what their engine needs: the weights, or the network as
            it was converted from them.
        card: How its 8-bit networks came to be; None for weights.
    """

    reference: str
    digest: str
    config: DeepLabConfig
    labels: LabelSet
    canvas: tuple[int, int]
    output_stride: int = DEFAULT_OUTPUT_STRIDE
    guesses: tuple[tuple[str, str], ...] = ()
    staged: StagedModel | None = None
    card: QuantizedCard | None = None

    def load_network(
        self, output_stride: int, input_size: tuple[int, int] | None = None
    ) -> keras.Model:
        """Fetches the weights and builds the network around them, on any input if no size is given.

        Returns:
            Keras model from float32 [n, height, width, 3] in [-1, 1] to logits.

        Raises:
            deeplab.zoo.ModelNotFound: The weights are not at ``reference``.
            CheckpointError: They are not the ones that this model was inspected with.
        """
        from beam_deeplab.deeplab.checkpoints import load_network

        def load(path: Path) -> keras.Model:
            self.check_digest(path)
            return load_network(path, output_stride, input_size)

        return self.staged.load(load) if self.staged else load(locate(self.reference))

    def check_digest(self, path: Path) -> None:
        """Makes sure that the weights at a path are this model's.

        Raises:
            CheckpointError: They are not.
        """
        if digest_of(path) != self.digest:
            raise CheckpointError(
                f"{self.reference} holds other weights than when the run was planned: "
                f"put {self.digest[:12]}… back, or start a new run"
            )


def inspect_model(reference: str) -> ModelSpec:
    """Finds a model, reads what it is, and makes sure that it can be loaded.

    Official files are read without TensorFlow: names and shapes of all their variables are held
    against the network that they belong to. A local reference is made absolute.

    Args:
        reference: A zoo name, a local path (or ``file://``) or a ``gs://`` path.

    Raises:
        deeplab.zoo.ModelNotFound: There is no such model.
        CheckpointError: It is not a DeepLab network that this package knows.
    """
    official = find_model(reference)
    path = locate(reference)
    if is_quantized(path):
        return quantized_spec(open_quantized(path), str(path.absolute() / NETWORKS_NAME))
    checkpoint = open_checkpoint(path)
    checkpoint.check_loadable()
    output_stride = checkpoint.output_stride or DEFAULT_OUTPUT_STRIDE
    config = checkpoint.config_at(output_stride)
    guesses = [("model", checkpoint.choice)] if checkpoint.choice else []
    if official is not None:
        labels, canvas = official.labels, official.canvas
    else:
        labels = checkpoint.labels or for_class_count(config.num_classes)
        canvas = checkpoint.canvas or _CANVAS
        if checkpoint.labels is None:
            guesses.append(("labels", _about_guessed(labels)))
        if checkpoint.canvas is None:
            height, width = canvas
            guesses.append(
                ("canvas", f"the canvas is guessed, {height} x {width}: --canvas gives another")
            )
    if len(labels) != config.num_classes:
        raise CheckpointError(
            f"{reference} has {config.num_classes} classes, not the {len(labels)} of {labels.name}"
        )
    return ModelSpec(
        reference=official.name if official else _as_workers_find_it(reference),
        digest=checkpoint.digest,
        config=config,
        labels=labels,
        canvas=canvas,
        output_stride=output_stride,
        guesses=tuple(guesses),
    )


def quantized_spec(card: QuantizedCard, networks: str) -> ModelSpec:
    """What a run knows of a quantized model, whose networks stand at a URI."""
    return ModelSpec(
        reference=card.made_of,
        digest=card.networks,
        config=DeepLabConfig.from_dict(card.config),
        labels=LabelSet.from_dict(card.labels),
        canvas=card.canvas,
        output_stride=card.output_stride,
        staged=StagedModel(networks, card.networks, card.networks_bytes),
        card=card,
    )


def _about_guessed(labels: LabelSet) -> str:
    if is_official(labels):
        return (
            f"class names are guessed: the weights do not say them, and the set {labels.name} has "
            f"{len(labels)} classes too; --labels gives others"
        )
    return (
        "class names are unknown: the weights do not say them, so they are "
        f"{labels.names[0]} to {labels.names[-1]}; --labels gives others"
    )


def _as_workers_find_it(reference: str) -> str:
    path = local_path(reference)
    if path is None or reference in BUNDLED_MODELS:
        return reference
    return str(path.expanduser().absolute())
