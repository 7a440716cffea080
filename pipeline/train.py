"""``beam-deeplab train``: checks everything that can be wrong, then trains."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from beam_deeplab.deeplab.checkpoints import CheckpointError
from beam_deeplab.deeplab.labels import LABEL_SETS, LabelError, LabelSet
from beam_deeplab.deeplab.quiet_tensorflow import import_tensorflow_quietly
from beam_deeplab.deeplab.training.config import ConfigError, TrainingConfig
from beam_deeplab.deeplab.training.config_file import read_config
from beam_deeplab.deeplab.training.pairs import (
    DataError,
    Listing,
    Pair,
    Problem,
    hold_out,
    list_data,
)
from beam_deeplab.deeplab.training.samples import (
    LoadedSamples,
    Picture,
    PictureError,
    SampleReader,
    load_samples,
)
from beam_deeplab.deeplab.training.state import (
    StateError,
    best_epoch,
    check_same,
    identify,
    read_state,
)
from beam_deeplab.deeplab.truth import TruthRule
from beam_deeplab.deeplab.zoo import ZooError
from beam_deeplab.pipeline.labels import read_labels
from beam_deeplab.pipeline.options.errors import RunFailedError, UsageError, refusing
from beam_deeplab.pipeline.options.train import TrainOptions
from beam_deeplab.pipeline.progress.training import TrainingProgress, checking
from beam_deeplab.pipeline.terminal import safe_line, say
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.decoding.decode import DecodingError, decode
from beam_deeplab.transforms.geometry import Canvas

CONFIG_FILE = "config.toml"
_OWN_FOLDERS = ("checkpoint", "model", "logs")
_OWN_FILES = ("history.csv", CONFIG_FILE)
_PROBLEMS_SHOWN = 10
_UNBOUNDED = Canvas(1 << 30, 1 << 30)


def train(options: TrainOptions) -> int:
    """Trains a network.

    TensorFlow is imported only when everything else is known to be right. Gives the exit code 0.

    Raises:
        UsageError: Something asked for cannot be had, or the data are bad.
        RunFailedError: The training ended without being finished.
    """
    config, rule, config_text = _read_config(options)
    pairs, held_out = _find_pairs(options, config)
    _check_output(options)
    identity = identify(
        config, rule, [pair.name for pair in pairs], [pair.name for pair in held_out]
    )
    if options.resume:
        _check_resumable(options.output, identity)
    training, validation = _load(pairs, held_out, config, rule, quiet=options.quiet)
    _check_classes(training, rule.labels)
    # Steps took twice as long without; TensorFlow turns it on by itself on some CPUs only.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    import_tensorflow_quietly()
    from beam_deeplab.deeplab.training import trainer

    data = trainer.TrainingData(
        training.samples, validation.samples, rule.labels, training.class_pixels.tolist(), identity
    )
    with refusing("--config", ConfigError, CheckpointError, ZooError, OSError):
        started = trainer.prepare_network(config, len(rule.labels))
    _start_output(options, config_text)
    try:
        with refusing("--resume", StateError), TrainingProgress(quiet=options.quiet) as progress:
            history = trainer.train(config, data, started, options.output, progress)
    except (trainer.TrainingError, OSError) as error:
        reason = storage.describe(error) if isinstance(error, OSError) else error
        raise RunFailedError(f"{reason} (--resume goes on behind the last epoch)") from error
    if not options.quiet:
        best = best_epoch(history)
        score = "" if best.miou is None else f", mIoU {best.miou:.4f}"
        print(
            f"Trained {len(history)} epochs; the weights of epoch {best.epoch}{score} are in "
            f"{safe_line(options.output / trainer.MODEL_FOLDER)}"
        )
    return 0


def read_picture(path: Path, canvas: tuple[int, int] | None) -> Picture:
    """Decodes a picture as ``segment`` does; see :data:`deeplab.training.samples.ReadPicture`."""
    try:
        picture = decode(path.read_bytes(), Canvas(*canvas) if canvas else _UNBOUNDED)
    except DecodingError as error:
        raise PictureError(f"{error.code}: {error.message}") from error
    except OSError as error:
        raise PictureError(f"cannot be read: {error.strerror}") from error
    return Picture(picture.pixels, picture.original.height, picture.original.width)


def _read_config(options: TrainOptions) -> tuple[TrainingConfig, TruthRule, bytes]:
    path = options.config
    with refusing("--config", ConfigError, LabelError):
        config = read_config(path)
        content = path.read_bytes()
        name = config.model.labels
        labels = LABEL_SETS[name] if name in LABEL_SETS else _read_labels(name)
    weights = config.optimizer.class_weights
    if isinstance(weights, tuple) and len(weights) != len(labels):
        raise UsageError(
            f"--config: {path}: [optimizer] class_weights are {len(weights)}, the classes "
            f"{len(labels)}"
        )
    with refusing(f"--truth_format {options.truth_files.truth_format}", LabelError):
        return config, options.truth_files.rule(labels), content


def _read_labels(name: str) -> LabelSet:
    if not storage.scheme(name) and not storage.exists(name):
        raise LabelError(
            f"[model] labels: {name!r} is neither a file nor one of {', '.join(LABEL_SETS)}"
        )
    return read_labels(name)


def _find_pairs(options: TrainOptions, config: TrainingConfig) -> tuple[list[Pair], list[Pair]]:
    """Those to train on, and those to validate with."""
    listing = _listed("--data", options, options.data)
    training, validation, problems = listing.training, listing.validation, listing.problems
    if options.validation:
        other = _listed("--validation", options, options.validation)
        validation = other.training if other.validation is None else other.validation
        problems = problems + other.problems
    elif validation is None:
        training, validation = hold_out(training, config.input.validation_fraction)
    _refuse(problems)
    if not training:
        raise UsageError(f"--data {' '.join(map(str, options.data))}: there is no pair to train on")
    return training, validation


def _listed(flag: str, options: TrainOptions, folders: tuple[Path, ...]) -> Listing:
    with refusing(flag, DataError, OSError):
        return list_data(folders, options.truth_files.truth_suffix)


def _load(
    pairs: list[Pair], held_out: list[Pair], config: TrainingConfig, rule: TruthRule, *, quiet: bool
) -> tuple[LoadedSamples, LoadedSamples]:
    """Decodes all pairs; whatever is wrong with any of them is said at once."""
    canvas = config.input.canvas
    cache = config.input.cache_megabytes << 20
    with checking(len(pairs) + len(held_out), quiet=quiet) as seen:
        reader = SampleReader(read_picture, canvas if config.input.fit else None, rule)
        training = load_samples(pairs, reader, cache, seen)
        reader = SampleReader(read_picture, canvas, rule)
        left = max(0, cache - training.cached_bytes)
        validation = load_samples(held_out, reader, left, seen)
    _refuse([*training.problems, *validation.problems])
    return training, validation


def _check_classes(training: LoadedSamples, labels: LabelSet) -> None:
    """Refuses truth from which nothing can be learnt, and says which classes it lacks."""
    missing = [
        name
        for name, pixels in zip(labels.names, training.class_pixels, strict=True)
        if pixels == 0
    ]
    if not missing:
        return
    named = ", ".join(missing[:_PROBLEMS_SHOWN]) + (", …" * (len(missing) > _PROBLEMS_SHOWN))
    lack = f"{len(missing)} of {len(labels)} classes have no pixel in the truth: {named}"
    if len(labels) - len(missing) < min(2, len(labels)):
        raise UsageError(
            f"--data: {lack}. 255 is what is ignored: where masks are 0 and 255, give the classes "
            "the colors [0, 0, 0] and [255, 255, 255] in the labels, and say --truth_format colors"
        )
    say(lack)


def _refuse(problems: list[Problem]) -> None:
    if not problems:
        return
    shown = [str(problem) for problem in problems[:_PROBLEMS_SHOWN]]
    hidden = len(problems) - len(shown)
    more = [f"and {hidden} more"] if hidden else []
    count = "1 file" if len(problems) == 1 else f"{len(problems)} files"
    raise UsageError(f"{count} cannot be trained on:", [*shown, *more])


def _check_output(options: TrainOptions) -> None:
    present = [name for name in (*_OWN_FOLDERS, *_OWN_FILES) if (options.output / name).exists()]
    if present and not (options.resume or options.overwrite):
        raise UsageError(
            f"--output {options.output} holds a training already ({', '.join(present)}): "
            "--resume continues it, --overwrite removes it"
        )
    removed = [options.output / name for name in _OWN_FOLDERS]
    for folder in (*options.data, *options.validation):
        if options.overwrite and any(folder.is_relative_to(each) for each in removed):
            raise UsageError(f"--overwrite would remove the data in {folder}")


def _check_resumable(output: Path, identity: dict[str, object]) -> None:
    with refusing("--resume", StateError):
        state = read_state(output / _OWN_FOLDERS[0])
        if state is not None:
            check_same(state.identity, identity)


def _start_output(options: TrainOptions, config_text: bytes) -> None:
    with refusing("--output", OSError):
        if options.overwrite:
            for name in _OWN_FOLDERS:
                if (options.output / name).exists():
                    shutil.rmtree(options.output / name)
            for file in _OWN_FILES:
                (options.output / file).unlink(missing_ok=True)
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / CONFIG_FILE).write_bytes(config_text)
