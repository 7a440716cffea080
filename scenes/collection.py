"""Collections of scenes on disk: pictures in one folder, their truth in another."""

from __future__ import annotations

import itertools
import multiprocessing
import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from beam_deeplab.deeplab.engines.cores import available_cores
from beam_deeplab.scenes.composing import compose_scene, scene_rng
from beam_deeplab.scenes.encoding import draw_file_kind, encode_picture, encode_truth
from beam_deeplab.scenes.faults import broken_file
from beam_deeplab.scenes.settings import DEFAULT_SETTINGS, SEEDS, SceneSettings

_OWN_NAME = re.compile(r"(scene-\d{5,}|broken-\d{5,}-[a-z]+)\.(jpg|png|webp)")
# Purposes of a scene's random numbers, beside 0 for what it shows.
_STORAGE = 1
# Fewer are composed sooner than processes have started.
_FEW = 64
_CHUNK = 16


class CollectionError(Exception):
    """A collection that cannot be written there; the message is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Collection:
    """What a collection holds; the same collection always has the same files.

    Attributes:
        count: Scenes, at least 0.
        seed: 0 to 2**32 - 1.
        settings: Sizes and split.
        faults: Broken files beside the scenes; they have no truth.

    Raises:
        ValueError: A number is out of range.
    """

    count: int
    seed: int = 0
    settings: SceneSettings = DEFAULT_SETTINGS
    faults: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.seed < SEEDS:
            raise ValueError(f"the seed is 0 to {SEEDS - 1}, not {self.seed}")
        if self.count < 0 or self.faults < 0 or self.count + self.faults >= SEEDS:
            raise ValueError(f"there can be 0 to {SEEDS - 1} scenes, not {self.count}")


def write_collection(
    collection: Collection,
    images: Path,
    truth: Path | None = None,
    *,
    overwrite: bool = False,
    on_written: Callable[[], None] = lambda: None,
) -> None:
    """Write a collection: ``scene-00042.jpg`` and, elsewhere, ``scene-00042.png``.

    Args:
        collection: What to write.
        images: Folder of the pictures; made if it is not there.
        truth: Folder of the truth masks, indexed PNG files of the pictures' stems; None to write
            none.
        overwrite: Replace a collection in the folders: whatever is named as our files are goes.
            Other files always stay.
        on_written: Called after each file that is written.

    Raises:
        CollectionError: A folder is not empty, is no folder or cannot be written to, or both are
            the same.
    """
    if truth is not None and truth.resolve() == images.resolve():
        raise CollectionError(f"{truth}: give the truth another folder than the images")
    for folder in (images, truth):
        if folder is not None:
            _prepare(folder, overwrite)
    try:
        for _ in _written(collection, images, truth):
            on_written()
    except OSError as error:
        raise CollectionError(f"{error.filename}: cannot be written: {error.strerror}") from error


def _prepare(folder: Path, overwrite: bool) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        present = list(folder.iterdir())
        if present and not overwrite:
            raise CollectionError(
                f"{folder}: is not empty: give another folder, or --overwrite to replace the "
                "scenes in it"
            )
        for path in present:
            if _OWN_NAME.fullmatch(path.name):
                path.unlink()
    except OSError as error:
        raise CollectionError(f"{folder}: {error.strerror}") from error


def _written(collection: Collection, images: Path, truth: Path | None) -> Iterator[None]:
    """Writes one file or pair after another; yields after each."""
    total = collection.count + collection.faults
    same = (itertools.repeat(collection), itertools.repeat(images), itertools.repeat(truth))
    workers = available_cores()
    if workers == 1 or total < _FEW:
        yield from map(_write_one, range(total), *same)
        return
    # Not forked: the caller may have threads, of TensorFlow or Beam, that do not survive it.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, _use_one_thread)
    try:
        with _interrupts_held():  # processes start as tasks are handed in
            written = pool.map(_write_one, range(total), *same, chunksize=_CHUNK)
        yield from written
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C waits; processes that begin here never see it: it is for their parent to answer."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _use_one_thread() -> None:
    import cv2

    cv2.setNumThreads(1)


def _write_one(index: int, collection: Collection, images: Path, truth: Path | None) -> None:
    scene = compose_scene(collection.seed, index, collection.settings)
    if index >= collection.count:
        name, data = broken_file(index - collection.count, scene.image)
        (images / name).write_bytes(data)
        return
    kind = draw_file_kind(scene_rng(collection.seed, index, collection.settings.split, _STORAGE))
    stem = f"scene-{index:05}"
    (images / f"{stem}{kind.suffix}").write_bytes(encode_picture(scene.image, kind))
    if truth is not None:
        (truth / f"{stem}.png").write_bytes(encode_truth(scene.truth))
