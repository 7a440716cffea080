"""8-bit networks made of a model and a sample of the user's own images, and what they cost.

The sample goes through the product's own decoding and geometry, and both networks' masks of it are
compared pixel by pixel.
"""

from __future__ import annotations

import hashlib
import heapq
import io
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from beam_deeplab.deeplab.engines import EngineChoice, EngineError
from beam_deeplab.deeplab.engines.cores import vector_instructions
from beam_deeplab.deeplab.models import quantized_spec
from beam_deeplab.deeplab.quantized import Calibration, QuantizedCard
from beam_deeplab.deeplab.staged import StagedModel, pack_files
from beam_deeplab.deeplab.truth import TruthRule
from beam_deeplab.pipeline.options import UsageError
from beam_deeplab.pipeline.recipes import describe_versions
from beam_deeplab.transforms.decoding.decode import decode_image
from beam_deeplab.transforms.evaluating.measures import measure
from beam_deeplab.transforms.evaluating.scoring import ImageScore, score_mask
from beam_deeplab.transforms.evaluating.tally import Tally
from beam_deeplab.transforms.records import (
    DecodedImage,
    EncodedImage,
    ImageRef,
    LabelledRef,
    LogitsGrid,
    Segmentation,
)
from beam_deeplab.transforms.segmenting.composites import mask_image
from beam_deeplab.transforms.segmenting.handler import DeepLabHandler, Recipe
from beam_deeplab.transforms.segmenting.inference import assemble_batch
from beam_deeplab.transforms.sources.reading import read_image, read_images

_SPARE: Final = 2
"""So many images are listed for each picture, since some may be damaged."""


def choose_images(refs: Iterable[ImageRef], count: int, seed: int = 0) -> list[ImageRef]:
    """At most so many images, the same ones in whatever order they are listed."""

    def rank(ref: ImageRef) -> bytes:
        return hashlib.sha256(f"{seed}\n{ref.uri}".encode()).digest()

    chosen = {ref.uri: ref for ref in heapq.nsmallest(_SPARE * count, refs, key=rank)}
    return list(chosen.values())


@dataclass(frozen=True)
class Quantized:
    """An 8-bit model.

    Attributes:
        card: What it is and how it came to be.
        networks: Its archive.
    """

    card: QuantizedCard
    networks: bytes


def quantize_model(
    recipe: Recipe,
    refs: Sequence[ImageRef],
    count: int,
    seed: int,
    rule: TruthRule | None = None,
) -> Quantized:
    """Calibrates a recipe's model, for all its sizes of input, and compares both.

    Args:
        recipe: Of which only the engine is not heeded.
        refs: Images, of which the first that can be decoded are taken; with ``rule`` all of them
            :class:`transforms.LabelledRef`.
        count: On how many pictures it is calibrated. With ``rule`` as many further ones, if there
            are, are compared and scored instead of those.
        seed: By which the images were chosen, for the card.
        rule: How the truth of the images is read; None for none.

    Raises:
        UsageError: None of the images can be decoded, or none of their truths read.
        EngineError: The network cannot be quantized.
        deeplab.zoo.ZooError: The weights are not where the model says.
        deeplab.checkpoints.CheckpointError: They are not what the model says.
    """
    from beam_deeplab.deeplab.engines.openvino_engine import cpu_name
    from beam_deeplab.deeplab.engines.quantizing import quantize_networks

    pictures = _decode(refs, recipe, 2 * count if rule else count)
    if not pictures:
        raise UsageError(f"--input: none of {len(refs)} images can be decoded, see `segment`")
    sample, others = pictures[:count], pictures[count:] or pictures
    model, canvas = recipe.model, recipe.canvas
    networks = pack_files(
        quantize_networks(
            model,
            (canvas.height, canvas.width),
            recipe.network_sizes,
            recipe.output_stride,
            pictures=sample,
            assemble=lambda picture: assemble_batch([picture], canvas),
        )
    )
    exact = replace(recipe, engine=EngineChoice("openvino", "f32"))
    with tempfile.TemporaryDirectory() as folder:
        staged = StagedModel.of(networks, folder)
        Path(staged.uri).write_bytes(networks)
        card = _card(recipe, staged)
        of_8_bits = replace(
            recipe,
            model=quantized_spec(card, staged.uri),
            engine=EngineChoice("openvino", "int8"),
        )
        differing = pixels = 0
        tallies = {name: Tally.empty(len(model.labels)) for name in ("f32", "int8")}
        for f32, int8 in zip(_masks(exact, others), _masks(of_8_bits, others), strict=True):
            differing += int((_labels(f32) != _labels(int8)).sum())
            pixels += f32.original.height * f32.original.width
            if rule:
                tallies["f32"] += _tally(f32, rule)
                tallies["int8"] += _tally(int8, rule)
    calibration = Calibration(
        images=len(sample),
        seed=seed,
        digest=_digest(picture.ref for picture in sample),
        labels_differ=differing / pixels,
        cpu=f"{cpu_name()} ({vector_instructions()})",
        miou={name: _miou(tally) for name, tally in tallies.items()} if rule else None,
    )
    return Quantized(card.model_copy(update={"calibration": calibration}), networks)


def _card(recipe: Recipe, staged: StagedModel) -> QuantizedCard:
    model = recipe.model
    return QuantizedCard(
        made_of=model.reference,
        made_of_digest=model.digest,
        config=asdict(model.config),
        labels=model.labels.to_dict(),
        canvas=(recipe.canvas.height, recipe.canvas.width),
        output_stride=recipe.output_stride,
        sizes=recipe.network_sizes,
        networks=staged.sha256,
        networks_bytes=staged.size,
        versions=describe_versions(),
    )


def _decode(refs: Sequence[ImageRef], recipe: Recipe, count: int) -> list[DecodedImage]:
    pictures: list[DecodedImage] = []
    for row in read_images(refs):
        if isinstance(row, EncodedImage):
            decoded = decode_image(row, recipe.canvas, recipe.decoding)
            if isinstance(decoded, DecodedImage):
                pictures.append(decoded)
        if len(pictures) == count:
            break
    return pictures


def _masks(recipe: Recipe, pictures: Sequence[DecodedImage]) -> Iterator[Segmentation]:
    """The pictures' masks, one by one, so that nothing else is held of them.

    Raises:
        EngineError: A picture comes to none.
    """
    infer = DeepLabHandler(recipe).load_model()
    for picture in pictures:
        (row,) = infer([picture])
        if isinstance(row, LogitsGrid):
            mask = mask_image(row, recipe)
            if isinstance(mask, Segmentation):
                yield mask
                continue
        raise EngineError(f"the network at {recipe.engine.precision} fails: {picture.ref.uri}")


def _labels(mask: Segmentation) -> np.ndarray:
    with Image.open(io.BytesIO(mask.mask_png)) as picture:
        return np.asarray(picture)


def _tally(mask: Segmentation, rule: TruthRule) -> Tally:
    assert isinstance(mask.ref, LabelledRef)
    score = score_mask(mask, read_image(mask.ref.truth), rule)
    if not isinstance(score, ImageScore):
        raise UsageError(f"--truth: {score.message}")
    return score.tally


def _miou(tally: Tally) -> float:
    miou = measure(tally).miou
    if miou is None:
        raise UsageError("--truth: it ignores every pixel of the sample")
    return miou


def _digest(refs: Iterable[ImageRef]) -> str:
    named = "\n".join(sorted(f"{ref.uri} {ref.version}" for ref in refs))
    return hashlib.sha256(named.encode()).hexdigest()
