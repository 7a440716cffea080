"""Faults that can be put into a process of the program, each by replacing one function.

They hold for the threads of one process: runs with ``multi_processing`` do not see them.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import pkgutil
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from apache_beam.options.pipeline_options import PortableOptions
from numpy.typing import NDArray

from beam_deeplab.pipeline import writers
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.decoding import decode as decoding
from beam_deeplab.transforms.records import DecodedImage
from beam_deeplab.transforms.runs import writer
from beam_deeplab.transforms.segmenting.inference import BatchInference

Images = NDArray[np.float32]

LOAD_ENGINE = "beam_deeplab.transforms.segmenting.handler.load_engine"

MARK = (255, 0, 255)
"""Colour of a picture's first pixel by which an engine knows it."""


class ColourEngine:
    """Stands in for the network: linear in the pixels under the grid, the same in any batch."""

    def __init__(self, classes: int, stride: int) -> None:
        self._weights = np.random.default_rng(0).normal(size=(3, classes)).astype(np.float32)
        self._stride = stride

    def __call__(self, images: Images) -> Images:
        grid = images[:, :: self._stride, :: self._stride]
        return np.stack([picture @ self._weights for picture in grid])

    def close(self) -> None:
        pass


class FaultyEngine:
    """An engine that is called only after something has looked at the batch."""

    def __init__(self, engine: Any, look: Callable[[Images], None]) -> None:
        self._engine = engine
        self._look = look

    def __call__(self, images: Images) -> Images:
        self._look(images)
        answer: Images = self._engine(images)
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


def is_marked(images: Images) -> NDArray[np.bool_]:
    """Which pictures of a batch begin with :data:`MARK`."""
    mark = np.array(MARK, np.float32) * np.float32(2 / 255) - 1
    marked: NDArray[np.bool_] = np.all(np.isclose(images[:, 0, 0], mark), axis=-1)
    return marked


def use_colour_engine(patch: pytest.MonkeyPatch) -> None:
    """Spares a test the network."""

    def load(model: Any, canvas: Any, output_stride: int, *choice: Any, **options: Any) -> Any:
        return ColourEngine(len(model.labels.names), output_stride)

    patch.setattr(LOAD_ENGINE, load)


def look_at_batches(patch: pytest.MonkeyPatch, look: Callable[[Images], None]) -> None:
    """Calls a function before each batch; what it raises, the engine raises."""
    load = pkgutil.resolve_name(LOAD_ENGINE)
    patch.setattr(LOAD_ENGINE, lambda *a, **k: FaultyEngine(load(*a, **k), look))


def slow_engine(patch: pytest.MonkeyPatch, seconds: float) -> None:
    """The engine takes some time for each picture."""

    def look(images: Images) -> None:
        threading.Event().wait(seconds * len(images))

    look_at_batches(patch, look)


def hold_engine(patch: pytest.MonkeyPatch, gate: str, sign: str | None = None) -> None:
    """The engine waits until a file is there; another is made as a sign that it waits."""

    def look(_: Images) -> None:
        if sign:
            Path(sign).touch()
        while not Path(gate).exists():
            threading.Event().wait(0.02)

    look_at_batches(patch, look)


def be_elsewhere(patch: pytest.MonkeyPatch, host: str) -> None:
    """The process runs on another machine, as far as it says itself, and its heart beats fast."""
    patch.setattr(writer, "_machine", lambda: host)
    patch.setattr(socket, "gethostname", lambda: host)
    patch.setattr(writers, "PERIOD", 0.05)


def break_engine(patch: pytest.MonkeyPatch, batches: int, words: str) -> None:
    """The engine answers so many batches and then never again."""
    asked = itertools.count()

    def look(images: Images) -> None:
        if next(asked) >= batches:
            raise RuntimeError(words)

    look_at_batches(patch, look)


def lose_model(patch: pytest.MonkeyPatch, path: str) -> None:
    """A model vanishes before a worker has loaded it."""
    load = pkgutil.resolve_name(LOAD_ENGINE)

    def late(*arguments: Any, **options: Any) -> Any:
        with contextlib.suppress(FileNotFoundError):
            Path(path).rename(f"{path}.lost")
        return load(*arguments, **options)

    patch.setattr(LOAD_ENGINE, late)


def wait_in_engine(patch: pytest.MonkeyPatch, seconds: float) -> None:
    """The engine takes its time for the first batch."""
    asked = itertools.count()

    def look(images: Images) -> None:
        if next(asked) == 0:
            threading.Event().wait(seconds)

    look_at_batches(patch, look)


def shorten_deadline(patch: pytest.MonkeyPatch, seconds: int) -> None:
    """Beam's own default for ``--job_server_timeout`` is not 300 seconds but these."""
    add = PortableOptions._add_argparse_args

    def add_shortened(parser: Any) -> None:
        add(parser)
        parser.set_defaults(job_server_timeout=seconds)

    patch.setattr(PortableOptions, "_add_argparse_args", add_shortened)


def abort_in_engine(patch: pytest.MonkeyPatch) -> None:
    """The process dies in a batch that holds a marked picture."""

    def look(images: Images) -> None:
        if is_marked(images).any():
            os.abort()

    look_at_batches(patch, look)


def abort_in_decoder(patch: pytest.MonkeyPatch, image: str) -> None:
    """The process dies when this file is decoded."""
    fatal = Path(image).read_bytes()
    decode = decoding.decode

    def dying(data: bytes, *arguments: Any) -> Any:
        if data == fatal:
            os.abort()
        return decode(data, *arguments)

    patch.setattr(decoding, "decode", dying)


def log_inferred(patch: pytest.MonkeyPatch, log: str) -> None:
    """Appends the URI of each picture to a file before it is inferred."""
    infer = BatchInference.__call__
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def logging(self: BatchInference, rows: Any) -> Any:
        uris = [f"{row.ref.uri}\n" for row in rows if isinstance(row, DecodedImage)]
        os.write(file, "".join(uris).encode())
        return infer(self, rows)

    patch.setattr(BatchInference, "__call__", logging)


def halt_after(patch: pytest.MonkeyPatch, images: int, sign: str | None = None) -> None:
    """The process stands still, for somebody to kill, once so many pictures were inferred.

    A file is made as a sign of it.
    """
    infer = BatchInference.__call__
    inferred = 0
    lock = threading.Lock()

    def halting(self: BatchInference, rows: Any) -> Any:
        nonlocal inferred
        with lock:
            if inferred >= images:
                if sign:
                    Path(sign).touch()
                threading.Event().wait()
            inferred += sum(isinstance(row, DecodedImage) for row in rows)
        return infer(self, rows)

    patch.setattr(BatchInference, "__call__", halting)


def fill_disk(patch: pytest.MonkeyPatch, limit: int) -> None:
    """No file of the process can grow beyond a limit, as on a full disk."""
    import resource
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def lose_part(patch: pytest.MonkeyPatch, dataset: str, cut: int | None) -> None:
    """Removes (or cuts short) the first part of a dataset as soon as it is written."""
    write = storage.write_atomically
    lost = False

    def losing(uri: str, data: bytes) -> None:
        nonlocal lost
        write(uri, data)
        if f"/{dataset}/part-" in uri and not lost:
            lost = True
            Path(uri).unlink() if cut is None else os.truncate(uri, cut)

    patch.setattr(storage, "write_atomically", losing)


def fail_to_open(patch: pytest.MonkeyPatch, number: int, part_of_uri: str) -> None:
    """Some files cannot be opened, for the reason of an errno."""
    open_seekable = storage.open_seekable

    def failing(uri: str) -> BinaryIO:
        if part_of_uri in uri:
            raise OSError(number, os.strerror(number), uri)
        return open_seekable(uri)

    patch.setattr(storage, "open_seekable", failing)


def inject(patch: pytest.MonkeyPatch, faults: str) -> None:
    """Injects what a JSON object names: ``{"halt_after": {"images": 3}}``."""
    for name, arguments in json.loads(faults).items():
        globals()[name](patch, **arguments)
