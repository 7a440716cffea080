"""A model folder of 8-bit networks: ``quantized.json``, which describes it, and ``networks.tar``.

The networks are OpenVINO's, one a size of input, packed as they travel to workers
(:mod:`deeplab.staged`); with them neither the weights nor TensorFlow is needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from beam_deeplab.deeplab.architecture import DeepLabConfig
from beam_deeplab.deeplab.checkpoints import CheckpointError
from beam_deeplab.deeplab.labels import LabelSet

DESCRIPTION_NAME: Final = "quantized.json"
NETWORKS_NAME: Final = "networks.tar"


class Calibration(BaseModel):
    """How an 8-bit network came to be, and how far it is from what it was made of.

    Attributes:
        images: How many pictures it was calibrated on.
        seed: By which they were chosen.
        digest: SHA-256 over their URIs and versions, 64 hex digits.
        labels_differ: The share of their pixels, 0 to 1, that get another label than in float32.
        cpu: On which CPU that was seen: the answers depend on the instruction set.
        miou: Of both on pictures with truth: ``f32`` and ``int8``, 0 to 1; None where none was
            given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: int
    seed: int
    digest: str
    labels_differ: float
    cpu: str
    miou: dict[str, float] | None = None


class QuantizedCard(BaseModel):
    """What ``quantized.json`` says.

    Attributes:
        made_of: The reference of the model that was quantized.
        made_of_digest: Its digest.
        config: The network's.
        labels: Its classes.
        canvas: (height, width) of its official input.
        output_stride: Of the backbone.
        sizes: (height, width) of each input that there is a network for.
        networks: SHA-256 of ``networks.tar``: the model's digest.
        networks_bytes: Its size.
        calibration: How it came to be; None until it is compared.
        versions: Of what made it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    made_of: str
    made_of_digest: str
    config: dict[str, Any]
    labels: dict[str, Any]
    canvas: tuple[int, int]
    output_stride: int
    sizes: tuple[tuple[int, int], ...]
    networks: str
    networks_bytes: int
    calibration: Calibration | None = None
    versions: dict[str, str]

    def facts(self) -> dict[str, Any]:
        """All but what a run's record of a model says anyway, as plain data."""
        return self.model_dump(mode="json", exclude={"config", "labels"})


def is_quantized(folder: Path) -> bool:
    """Whether a folder holds such a model."""
    return (folder / DESCRIPTION_NAME).is_file()


def read_card(text: str) -> QuantizedCard:
    """Reads a ``quantized.json``.

    Raises:
        CheckpointError: It is none.
    """
    try:
        card = QuantizedCard.model_validate_json(text)
        if len(LabelSet.from_dict(card.labels)) != DeepLabConfig.from_dict(card.config).num_classes:
            raise ValueError("there is not one label a class")
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise CheckpointError(f"{DESCRIPTION_NAME}: {where}: {first['msg']}") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{DESCRIPTION_NAME}: {error}") from error
    return card


def open_quantized(folder: Path) -> QuantizedCard:
    """Reads what a folder holds, and makes sure that its networks are there.

    Raises:
        CheckpointError: They are not, or other ones than described.
    """
    networks = folder / NETWORKS_NAME
    try:
        card = read_card((folder / DESCRIPTION_NAME).read_text("utf-8"))
        size = networks.stat().st_size
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder} cannot be read: {error}") from error
    if size != card.networks_bytes:
        raise CheckpointError(
            f"{networks} has {size:,} bytes, not the {card.networks_bytes:,} that "
            f"{DESCRIPTION_NAME} tells: make it again by `beam-deeplab quantize`"
        )
    return card


def write_quantized(folder: Path, card: QuantizedCard, networks: bytes) -> None:
    """Writes a model folder, its description last; OSError if it cannot."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (
        (NETWORKS_NAME, networks),
        (DESCRIPTION_NAME, (card.model_dump_json(indent=2) + "\n").encode()),
    ):
        pending = folder / f".{name}"
        pending.write_bytes(content)
        pending.replace(folder / name)
