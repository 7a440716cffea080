"""``beam-deeplab train``: checks everything that can be wrong, then trains."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from beam_deeplab.deeplab.checkpoints import CheckpointError
from beam_deeplab.deeplab.labels import LABEL_SETS, LabelError, LabelSet
from beam_deeplab.deeplab.quiet_tensorflow import import_tensorflow_quietly
from beam_deeplab.deeplab.training.config import ConfigError, TrainingConfig
from beam_deeplab.deeplab.training.config_file import read_config
from beam_deeplab.deeplab.training.pairs import (
    DataError,
    Pair,
    Problem,
    find_folders,
    find_pairs,
    hold_out,
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
from beam_deeplab.deeplab.zoo import ZooError
from beam_deeplab.pipeline.labels import read_labels
from beam_deeplab.pipeline.options.errors import RunFailedError, UsageError
from beam_deeplab.pipeline.options.train import TrainOptions
from beam_deeplab.pipeline.progress.training import TrainingProgress, checking
from beam_deeplab.pipeline.terminal import safe_line
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.decoding.decode import DecodingError, decode
from beam_deeplab.transforms.geometry import Canvas

CONFIG_FILE = "config.toml"
_OWN_FOLDERS = ("checkpoint", "model", "logs")
_OWN_FILES = ("history.csv", CONFIG_FILE)
_PROBLEMS_SHOWN = 10
_UNBOUNDED = Canvas(1 << 30, 1 << 30)


@dataclass(frozen=True, slots=True)
class _Pairs:
    training: list[Pair]
    validation: list[Pair]


def train(options: TrainOptions) -> int:
    """Trains a network.

    TensorFlow is imported only when everything else is known to be right.

    Args:
        options: Our flags.

    Returns:
        The exit code: 0, the model is in the output.

    Raises:
        UsageError: Something asked for cannot be had, or the data are bad.
        RunFailedError: The training ended without being finished.
    """
    config, labels = _read_config(options.config)
    pairs = _find_pairs(options, config)
    _check_output(options)
    identity = identify(
        config,
        labels,
        [pair.stem for pair in pairs.training],
        [pair.stem for pair in pairs.validation],
    )
    if options.resume:
        _check_resumable(options.output, identity)
    training, validation = _load(pairs, config, labels, quiet=options.quiet)
    _start_output(options)
    # Steps took twice as long without; TensorFlow turns it on by itself on some CPUs only.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    import_tensorflow_quietly()
    from beam_deeplab.deeplab.training.trainer import MODEL_FOLDER, TrainingData, TrainingError
    from beam_deeplab.deeplab.training.trainer import train as train_network

    data = TrainingData(
        training.samples, validation.samples, labels, training.class_pixels.tolist(), identity
    )
    try:
        with TrainingProgress(quiet=options.quiet) as progress:
            history = train_network(config, data, options.output, progress)
    except (ConfigError, CheckpointError, ZooError) as error:
        raise UsageError(f"--config: {error}") from error
    except StateError as error:
        raise UsageError(f"--resume: {error}") from error
    except (TrainingError, OSError) as error:
        raise RunFailedError(f"{error} (--resume goes on behind the last epoch)") from error
    if not options.quiet:
        best = best_epoch(history)
        score = "" if best.miou is None else f", mIoU {best.miou:.4f}"
        print(
            f"Trained {len(history)} epochs; the weights of epoch {best.epoch}{score} are in "
            f"{safe_line(options.output / MODEL_FOLDER)}"
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


def _read_config(path: Path) -> tuple[TrainingConfig, LabelSet]:
    try:
        config = read_config(path)
        name = config.model.labels
        labels = LABEL_SETS[name] if name in LABEL_SETS else _read_labels(name)
    except (ConfigError, LabelError) as error:
        raise UsageError(f"--config: {error}") from error
    weights = config.optimizer.class_weights
    if isinstance(weights, tuple) and len(weights) != len(labels):
        raise UsageError(
            f"--config: {path}: [optimizer] class_weights are {len(weights)}, the classes "
            f"{len(labels)}"
        )
    return config, labels


def _read_labels(name: str) -> LabelSet:
    if not storage.scheme(name) and not storage.exists(name):
        raise LabelError(
            f"[model] labels: {name!r} is neither a file nor one of {', '.join(LABEL_SETS)}"
        )
    return read_labels(name)


def _find_pairs(options: TrainOptions, config: TrainingConfig) -> _Pairs:
    pairs, problems = _listed("--data", options.data)
    if options.validation:
        validation, others = _listed("--validation", options.validation)
        problems += others
    else:
        pairs, validation = hold_out(pairs, config.input.validation_fraction)
    _refuse(problems)
    if not pairs:
        raise UsageError(f"--data {' '.join(map(str, options.data))}: there is no pair to train on")
    return _Pairs(pairs, validation)


def _listed(flag: str, folders: tuple[Path, ...]) -> tuple[list[Pair], list[Problem]]:
    try:
        return find_pairs(*find_folders(folders))
    except DataError as error:
        raise UsageError(f"{flag}: {error}") from error


def _load(
    pairs: _Pairs, config: TrainingConfig, labels: LabelSet, *, quiet: bool
) -> tuple[LoadedSamples, LoadedSamples]:
    """Decodes all pairs; whatever is wrong with any of them is said at once."""
    canvas = config.input.canvas
    cache = config.input.cache_megabytes << 20
    total = len(pairs.training) + len(pairs.validation)
    with checking(total, quiet=quiet) as seen:
        training = load_samples(
            pairs.training,
            SampleReader(
                read_picture, canvas if config.input.fit else None, len(labels), labels.ignore_label
            ),
            cache,
            seen,
        )
        left = max(0, cache - training.cached_bytes)
        validation = load_samples(
            pairs.validation,
            SampleReader(read_picture, canvas, len(labels), labels.ignore_label),
            left,
            seen,
        )
    _refuse([*training.problems, *validation.problems])
    return training, validation


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


def _check_resumable(output: Path, identity: dict[str, object]) -> None:
    try:
        state = read_state(output / _OWN_FOLDERS[0])
        if state is not None:
            check_same(state.identity, identity)
    except StateError as error:
        raise UsageError(f"--resume: {error}") from error


def _start_output(options: TrainOptions) -> None:
    try:
        if options.overwrite:
            for folder in _OWN_FOLDERS:
                shutil.rmtree(options.output / folder, ignore_errors=True)
            for file in _OWN_FILES:
                (options.output / file).unlink(missing_ok=True)
        options.output.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(options.config, options.output / CONFIG_FILE)
    except OSError as error:
        raise UsageError(f"--output: {error}") from error
