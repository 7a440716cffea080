"""From flags to the recipe of masks: model, engine, canvas; and what records say of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace
from functools import cache
from importlib.metadata import packages_distributions, version
from typing import Any

from beam_deeplab.deeplab.checkpoints import CheckpointError
from beam_deeplab.deeplab.engines import EngineError, check_engine, choose_engine
from beam_deeplab.deeplab.labels import LabelError
from beam_deeplab.deeplab.models import ModelSpec, inspect_model
from beam_deeplab.deeplab.quantized import QuantizedCard
from beam_deeplab.deeplab.zoo import ZooError
from beam_deeplab.pipeline.labels import read_labels
from beam_deeplab.pipeline.options import NetworkOptions, UsageError, refusing
from beam_deeplab.pipeline.terminal import say
from beam_deeplab.transforms.geometry import Canvas
from beam_deeplab.transforms.rendering.composites import RenderRecipe
from beam_deeplab.transforms.segmenting.handler import Recipe

_DECIDING = (
    "beam_deeplab",
    "apache_beam",
    "tensorflow",
    "keras",
    "openvino",
    "numpy",
    "PIL",
    "simplejpeg",
    "cv2",
)
"""Modules that decide results, or that a reader of an output may have to know."""


def find_model_spec(reference: str, labels_file: str | None = None) -> ModelSpec:
    """:func:`deeplab.models.inspect_model`, with a user's labels and with usage errors.

    Raises:
        UsageError: The model cannot be had, or the labels do not suit it.
    """
    with refusing("--model", ZooError, CheckpointError):
        model = inspect_model(reference)
    if labels_file is None:
        return model
    with refusing("--labels", LabelError):
        labels = read_labels(labels_file, classes=model.config.num_classes)
    guesses = tuple(guess for guess in model.guesses if guess[0] != "labels")
    return replace(model, labels=labels, guesses=guesses)


def say_guesses(model: ModelSpec, known: Iterable[str] = ()) -> None:
    """Says what of a model is not known but guessed, but for what is ``known``."""
    for what, line in model.guesses:
        if what not in known:
            say(f"--model: {line}")


def build_recipe(options: NetworkOptions, *, gpu: bool | None = None) -> Recipe:
    """Finds the model and the engine, and fits the options to them.

    ``gpu`` is whether the workers have one; None if they are on this machine, which is asked.

    Raises:
        UsageError: The model or the engine cannot be had, or the canvas does not suit them.
    """
    model = find_model_spec(options.model, options.labels)
    if model.card and options.precision not in ("f32", "int8"):
        raise UsageError(f"--precision {options.precision}: {options.model} is a model of 8 bits")
    precision = "int8" if model.card else options.precision
    with refusing("--engine", EngineError):
        engine = choose_engine(options.engine, precision, gpu=gpu)
        if gpu is None:
            check_engine(engine)
    say_guesses(model, known=("canvas",) if options.canvas else ())
    output_stride = options.output_stride or model.output_stride
    try:
        canvas = Canvas(*(options.canvas or model.canvas))
        canvas.grid_size(output_stride)
    except ValueError as error:
        own = "" if options.canvas else f"the model's own, {model.canvas}: "
        raise UsageError(f"--canvas: {own}{error}") from error
    recipe = Recipe(
        model,
        canvas,
        output_stride,
        engine,
        options.bucketed,
        options.decoding,
        options.eval_scales,
        options.flip,
        options.ignore_below,
    )
    if model.card:
        _check_sizes(recipe, options.model, model.card)
    return recipe


def _check_sizes(recipe: Recipe, named: str, card: QuantizedCard) -> None:
    missing = sorted(set(recipe.network_sizes) - set(card.sizes))
    if recipe.output_stride != card.output_stride:
        lack = f"another output stride than {card.output_stride}"
    elif missing:
        lack = ", ".join(f"{height} x {width}" for height, width in missing)
    else:
        return
    raise UsageError(
        f"--model: {named} was not quantized for {lack}: quantize it with the same --canvas, "
        "--output_stride and --eval_scales"
    )


def describe_recipe(recipe: Recipe) -> dict[str, Any]:
    """Every option that decides a result, as plain data: what a run's fingerprint is made of."""
    return {
        "model_digest": recipe.model.digest,
        "labels": recipe.model.labels.deciding_dict(),
        "canvas": [recipe.canvas.height, recipe.canvas.width],
        "output_stride": recipe.output_stride,
        "canvas_buckets": recipe.bucketed,
        "engine": recipe.engine.name,
        "precision": recipe.engine.precision,
        **asdict(recipe.decoding),
        "eval_scales": list(recipe.eval_scales),
        "flip": recipe.flip,
        # Only where it is asked for, so that runs of versions that did not know it can be resumed.
        **({"ignore_below": recipe.ignore_below} if recipe.ignore_below else {}),
        **(_describe_rendering(recipe) if isinstance(recipe, RenderRecipe) else {}),
    }


def _describe_rendering(recipe: RenderRecipe) -> dict[str, Any]:
    return {
        **recipe.effect.describe(),
        "subject": [recipe.model.labels.names[label] for label in recipe.subject],
        "file_format": recipe.file_format.value,
        "keep_exif": recipe.keep_exif,
    }


def describe_model(model: ModelSpec) -> dict[str, Any]:
    """A model's facts as files of the output carry them."""
    return {
        "reference": model.reference,
        "digest": model.digest,
        "config": asdict(model.config),
        "labels": model.labels.to_dict(),
        "guessed": [what for what, _ in model.guesses if what != "model"],
        **({"quantized": model.card.facts()} if model.card else {}),
    }


@cache
def describe_versions() -> dict[str, str]:
    """The versions of this package and of those that decide results.

    By distribution: several may give one module, as tensorflow and tensorflow-cpu do, or none, as
    on machines that run converted networks only.
    """
    distributions = packages_distributions()
    names = dict.fromkeys(name for module in _DECIDING for name in distributions.get(module, ()))
    return {name.replace("_", "-"): version(name) for name in names}
