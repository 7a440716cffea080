"""``beam-deeplab quantize``: an 8-bit model, calibrated on a sample of the user's own images."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path

from beam_deeplab.deeplab.checkpoints import CheckpointError
from beam_deeplab.deeplab.engines import EngineError
from beam_deeplab.deeplab.labels import LabelError
from beam_deeplab.deeplab.models import ModelSpec, quantized_spec
from beam_deeplab.deeplab.quantized import (
    NETWORKS_NAME,
    Calibration,
    is_quantized,
    read_card,
    write_quantized,
)
from beam_deeplab.deeplab.zoo import ZooError
from beam_deeplab.pipeline.calibration import choose_images, quantize_model
from beam_deeplab.pipeline.extras import require_extra
from beam_deeplab.pipeline.inputs import refusing_input
from beam_deeplab.pipeline.options import (
    RunFailedError,
    SegmentOptions,
    UsageError,
    refusing,
)
from beam_deeplab.pipeline.options.quantize import COUNT, QuantizeOptions
from beam_deeplab.pipeline.recipes import build_recipe
from beam_deeplab.pipeline.runs import read_run
from beam_deeplab.pipeline.terminal import open_console, safe_line, say
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.evaluating.pairing import pair_by_name
from beam_deeplab.transforms.records import ImageRef
from beam_deeplab.transforms.runs.manifest import RUN_FILE
from beam_deeplab.transforms.segmenting.handler import Recipe
from beam_deeplab.transforms.segmenting.staging import STAGED_FOLDER
from beam_deeplab.transforms.sources.listing import list_input


def quantize(options: QuantizeOptions) -> int:
    """Makes the model and says what it costs; gives the exit code 0.

    Raises:
        UsageError: Something asked for cannot be had.
        RunFailedError: mIoU fell by more than is allowed; nothing was written.
    """
    if is_quantized(options.output) and not options.overwrite:
        raise UsageError(f"--output {options.output} holds a model: --overwrite replaces it")
    if (
        options.output.exists()
        and any(options.output.iterdir())
        and not is_quantized(options.output)
    ):
        raise UsageError(f"--output {options.output} holds something else: name another folder")
    recipe = build_recipe(options.network, gpu=False)
    if recipe.model.card:
        raise UsageError(f"--model: {options.network.model} is quantized already")
    rule = None
    images: Iterable[ImageRef] = _listed("--input", options.input)
    if options.truth:
        with refusing("--truth", LabelError):
            rule = options.truth_files.rule(
                recipe.model.labels, options.network.decoding.max_pixels
            )
        truths = _listed("--truth", options.truth)
        images = pair_by_name(images, truths, options.truth_files.truth_suffix).pairs
    refs = choose_images(images, options.count, options.seed)
    if not refs:
        raise UsageError("--input: no image matches" + (" a truth" if options.truth else ""))
    with calibrating(quiet=options.quiet):
        made = quantize_model(recipe, refs, options.count, options.seed, rule)
    calibration = made.card.calibration
    assert calibration
    if calibration.miou and calibration.miou["f32"] - calibration.miou["int8"] > options.max_loss:
        raise RunFailedError(
            f"{describe_calibration(calibration)}: more than --max_loss={options.max_loss:g} "
            "allows; nothing was written. More pictures (--count), or pictures more like those of "
            "--truth, may help"
        )
    with refusing("--output", OSError):
        write_quantized(options.output, made.card, made.networks)
    if not options.quiet:
        said = f"Wrote {options.output}: {describe_calibration(calibration)}"
        print(safe_line(said))
    return 0


def quantized_for_run(recipe: Recipe, options: SegmentOptions) -> Recipe:
    """The recipe with 8-bit networks, if it asks for such and its model has none.

    A resumed run takes those that stand beside it; another is calibrated on some of its inputs.

    Raises:
        UsageError: None of the inputs can be decoded, or the extra is not installed.
    """
    if recipe.engine.precision != "int8" or recipe.model.card:
        return recipe
    standing = _beside(options.output, recipe.model) if options.resume else None
    if standing is not None:
        return replace(recipe, model=standing)
    require_extra("quantize")
    refs = choose_images(_listed("--input", options.input), COUNT)
    with calibrating(quiet=options.job.quiet):
        made = quantize_model(recipe, refs, COUNT, 0)
    folder = Path(tempfile.mkdtemp(prefix="beam-deeplab-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    write_quantized(folder, made.card, made.networks)
    assert made.card.calibration
    if not options.job.quiet:
        say(f"--precision int8: {describe_calibration(made.card.calibration)}")
    return replace(recipe, model=quantized_spec(made.card, str(folder / NETWORKS_NAME)))


def _beside(output: str, model: ModelSpec) -> ModelSpec | None:
    """The 8-bit networks that an earlier start of a run has made of a model."""
    if not storage.exists(storage.join(output, RUN_FILE)):
        return None
    facts = read_run(output).model.get("quantized")
    if not facts or facts.get("made_of_digest") != model.digest:
        return None
    described = {"config": asdict(model.config), "labels": model.labels.to_dict(), **facts}
    with refusing(f"--resume: {output}", CheckpointError):
        card = read_card(json.dumps(described))
    uri = storage.join(output, STAGED_FOLDER, f"{card.networks}.tar")
    return quantized_spec(card, uri) if storage.exists(uri) else None


@contextmanager
def calibrating(*, quiet: bool) -> Iterator[None]:
    """Within it a model is quantized: says so, and refuses what speaks against it."""
    with (
        refusing("--model", ZooError, CheckpointError, EngineError),
        refusing("--input", storage.CredentialsError),
        nullcontext() if quiet else open_console(stderr=True).status("quantizing the network"),
    ):
        yield


def describe_calibration(calibration: Calibration) -> str:
    """What an 8-bit model costs, in half a line."""
    cost = (
        f"calibrated on {calibration.images} pictures; "
        f"{100 * calibration.labels_differ:.2f} % of labels differ from float32"
    )
    if calibration.miou is None:
        return cost
    before, after = calibration.miou["f32"], calibration.miou["int8"]
    return f"{cost}, mIoU {before:.4f} in float32, {after:.4f} in 8 bits"


def _listed(flag: str, patterns: Sequence[str]) -> Iterator[ImageRef]:
    for pattern in patterns:
        with refusing_input(pattern, flag):
            yield from (ref for ref in list_input(pattern) if isinstance(ref, ImageRef))
