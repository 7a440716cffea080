"""Notes under ``attempts/``: what is under way, for whoever comes after a crash.

An image that kills its process (a codec that crashes, the system's out-of-memory killer) leaves
no exception to catch. So a shard notes that it begins. One that finds such a note was begun
before and never finished, and is run one image at a time, each noted while it is open; an image
that it finds noted as open killed the process then, and becomes a failure.

Rows that leave a shard of an earlier run are noted before its parts are written again one by one.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.records import ImageRef, Shard
from beam_deeplab.transforms.runs.sharding import PlanSummary

FOLDER = "attempts"
PLAN_FILE = "plan.json"
JOB_FILE = "job.json"
"""Names the job of a remote runner that may write (:mod:`pipeline.remote_jobs`)."""
_BEGUN = ".begun"
_OPEN = ".open-"
_REWRITE = ".rewrite"
_NOTE = re.compile(r"(plan|job)\.json|[0-9a-f]{16}\.(begun|rewrite|open-[0-9]+)")

_PATIENCE_SECONDS = 600.0
"""After that an image is taken in hand beside another, lest one left behind stops all work."""

_HAND = threading.Lock()
_NOTING = threading.Lock()
_open_here: set[str] = set()
_letting_go = threading.Event()


def _uri(output: str, name: str) -> str:
    return storage.join(output, FOLDER, name)


def note_plan(output: str, summary: PlanSummary) -> None:
    """Writes ``attempts/plan.json``, by which the launcher of any runner knows the total."""
    counts = asdict(summary)
    del counts["shards"], counts["standing_shards"], counts["left_out"]
    storage.write_atomically(_uri(output, PLAN_FILE), json.dumps(counts).encode())


def begin(output: str, shard: Shard) -> bool:
    """Notes that a shard begins.

    Returns:
        Whether this is the first time: False if it was begun before and never finished.
    """
    content = json.dumps([[ref.uri, ref.version] for ref in shard.refs]).encode()
    return storage.create_if_absent(_uri(output, shard.id + _BEGUN), content)


def finish(output: str, shard: str) -> None:
    """Takes the note of :func:`begin` back, once the shard's parts are durable."""
    storage.delete(_uri(output, shard + _BEGUN))


@contextmanager
def in_hand(output: str, shard: str, index: int) -> Iterator[None]:
    """Notes an image as open for as long as the process lives to take the note back.

    One image of a process is in hand at a time: with those of other threads open too, its death
    would not tell which of them it was.
    """
    uri = _uri(output, f"{shard}{_OPEN}{index}")
    is_alone = _HAND.acquire(timeout=_PATIENCE_SECONDS)
    try:
        _note_open(uri)
        try:
            yield
        finally:
            storage.delete(uri)
            _open_here.discard(uri)
    finally:
        if is_alone:
            _HAND.release()


def _note_open(uri: str) -> None:
    with _NOTING:
        if not _letting_go.is_set():
            _open_here.add(uri)
            storage.write_atomically(uri, b"")


def let_go() -> None:
    """Takes back what this process noted as open: it is about to end, and not by an image."""
    with _NOTING:
        _letting_go.set()
        for uri in _open_here:
            with contextlib.suppress(OSError):
                storage.delete(uri)


def fatal_images(output: str, shard: str) -> frozenset[int]:
    """Indices of the shard's images that were open when their process died."""
    names = (file.name for file in storage.list_folder(storage.join(output, FOLDER)))
    prefix = shard + _OPEN
    return frozenset(int(name.removeprefix(prefix)) for name in names if name.startswith(prefix))


def shards_with_fatal_images(output: str) -> frozenset[str]:
    """The shards that an image has killed since the last commit, finished or not."""
    names = (file.name for file in storage.list_folder(storage.join(output, FOLDER)))
    return frozenset(name.partition(_OPEN)[0] for name in names if _OPEN in name)


def begun_shards(output: str) -> list[Shard]:
    """The shards that were begun and never finished, by id."""
    names = [file.name for file in storage.list_folder(storage.join(output, FOLDER))]
    return [
        Shard(name.removesuffix(_BEGUN), _refs(storage.read(_uri(output, name))))
        for name in sorted(names)
        if name.endswith(_BEGUN)
    ]


def begin_rewrite(output: str, shard: str, leaving: Collection[str]) -> None:
    """Notes that the rows of some images, by URI, are about to leave a shard's parts."""
    storage.write_atomically(_uri(output, shard + _REWRITE), json.dumps(sorted(leaving)).encode())


def finish_rewrite(output: str, shard: str) -> None:
    """Takes the note of :func:`begin_rewrite` back, once all parts are written."""
    storage.delete(_uri(output, shard + _REWRITE))


def begun_rewrites(output: str) -> dict[str, frozenset[str]]:
    """The URIs whose rows were about to leave when the process died, by shard."""
    names = [file.name for file in storage.list_folder(storage.join(output, FOLDER))]
    return {
        name.removesuffix(_REWRITE): frozenset(json.loads(storage.read(_uri(output, name))))
        for name in names
        if name.endswith(_REWRITE)
    }


def forget(output: str, shard: str) -> None:
    """Removes every note of a shard that will not run again: its images are in other shards."""
    for file in storage.list_folder(storage.join(output, FOLDER)):
        if file.name.startswith(shard + "."):
            storage.delete(_uri(output, file.name))


def clear(output: str) -> None:
    """Removes all notes, and nothing else: the run is committed, or begins anew."""
    for file in storage.list_folder(storage.join(output, FOLDER)):
        if _NOTE.fullmatch(file.name):
            storage.delete(_uri(output, file.name))


def _refs(content: bytes) -> tuple[ImageRef, ...]:
    return tuple(ImageRef(uri, version) for uri, version in json.loads(content))
