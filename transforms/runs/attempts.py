"""Notes under ``attempts/``: what is under way, for whoever comes after a crash.

An image that kills its process (a codec that crashes, the system's out-of-memory killer) leaves
no exception to catch. So a shard notes that it begins. One that finds such a note was begun
before and never finished, and is run with care: one image at a time, alone in its process
(:mod:`transforms.runs.solitude`), noted while it is open, its row kept aside as soon as it is
there. What was open at the death of its process is tried last of its shard; what was open at two
deaths becomes a failure. So four attempts at a shard single out one fatal image, and however
often a run is stopped, every attempt gets further.

A process can also be killed from outside, over an innocent image. Where the note of the open
image is a local file it shows what ended by itself (:mod:`transforms.runs.deaths`); deaths of
which it shows nothing must be several before they are blamed on an image.

Rows that leave a shard of an earlier run are noted before its parts are written again one by one.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import re
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.parquet.parts import (
    DamagedPartError,
    Result,
    decode_results,
    encode_parts,
)
from beam_deeplab.transforms.parquet.schemas import FAILURES
from beam_deeplab.transforms.records import ImageRef, Shard, ShardSlot
from beam_deeplab.transforms.runs.deaths import circumstances, ended_by_itself
from beam_deeplab.transforms.runs.sharding import PlanSummary
from beam_deeplab.transforms.runs.solitude import alone
from beam_deeplab.transforms.storage import StoredFile
from beam_deeplab.transforms.storage.local import local_path

FOLDER: Final = "attempts"
PLAN_FILE: Final = "plan.json"
FATAL_DEATHS: Final = 2
"""Deaths of a process after which the image that was open, alone, at each counts as their cause."""

FATAL_KILLS: Final = 5
"""The same where it could be seen, and was not, that the processes ended by themselves: random
kills meet one image twice in a run that is stopped thirty times."""

WRITER_NOTE: Final = re.compile(r"writer-[0-9]+\.json")
"""Names the note of who writes the output (:mod:`transforms.runs.writer`)."""

_BEGUN = ".begun"
_OPEN = ".open-"
_ROW = ".row-"
_REWRITE = ".rewrite"
_NOTE = re.compile(r"plan\.json|([0-9a-f]{16})\.(begun|rewrite|open-[0-9]+-[0-9]+|row-[0-9]+)")

_NOTING = threading.Lock()
_open_here: set[str] = set()
_letting_go = threading.Event()


def note_uri(output: str, name: str) -> str:
    """Where a note stands."""
    return storage.join(output, FOLDER, name)


def _names(output: str, prefix: str = "") -> list[str]:
    return [file.name for file in storage.list_folder(storage.join(output, FOLDER), prefix)]


def note_plan(output: str, summary: PlanSummary) -> None:
    """Writes ``attempts/plan.json``, by which the launcher of any runner knows the total."""
    counts = asdict(summary)
    del counts["left_out"]
    storage.write_atomically(note_uri(output, PLAN_FILE), json.dumps(counts).encode())


def begin(output: str, shard: Shard) -> bool:
    """Notes that a shard begins; False if it was begun before and never finished."""
    content = json.dumps([[ref.uri, ref.version] for ref in shard.refs]).encode()
    return storage.create_if_absent(note_uri(output, shard.id + _BEGUN), content)


def finish(output: str, shard: str, *, with_care: bool = False) -> None:
    """Takes a shard's notes back, once its parts are durable; also its rows if it ran with care."""
    if with_care:
        _delete(output, _names(output, f"{shard}{_ROW}"))
    storage.delete(note_uri(output, shard + _BEGUN))


@dataclass(frozen=True, slots=True)
class Earlier:
    """What earlier attempts at a shard have left.

    Attributes:
        deaths: By index of an image, how many processes died while it was open alone.
        fatal: Indices of the images that have killed their process often enough to be sure.
        kept: Indices of the images whose rows are kept aside.
    """

    deaths: Mapping[int, int] = field(default_factory=dict)
    fatal: frozenset[int] = frozenset()
    kept: frozenset[int] = frozenset()


def earlier_attempts(output: str, shard: str) -> Earlier:
    """Reads a shard's notes; one listing."""
    files = storage.list_folder(storage.join(output, FOLDER), f"{shard}.")
    kept = [file.name.partition(_ROW)[2] for file in files if _ROW in file.name]
    deaths = _deaths(files)
    return Earlier(
        {index: len(notes) for index, notes in deaths.items()},
        _fatal(output, deaths),
        frozenset(map(int, kept)),
    )


def _deaths(notes: Iterable[StoredFile]) -> dict[int, list[str]]:
    """By index of an image, the name of each note of it as open."""
    deaths: dict[int, list[str]] = {}
    for file in notes:
        _, is_open, place = file.name.partition(_OPEN)
        if is_open:
            deaths.setdefault(int(place.partition("-")[0]), []).append(file.name)
    return deaths


def _fatal(output: str, deaths: Mapping[int, list[str]]) -> frozenset[int]:
    crashes_are_seen = storage.scheme(output) == ""

    def counts(name: str) -> bool:
        try:
            return not crashes_are_seen or ended_by_itself(storage.read(note_uri(output, name)))
        except FileNotFoundError:  # its process lives, and has taken it back
            return False

    return frozenset(
        index
        for index, notes in deaths.items()
        if len(notes) >= FATAL_KILLS or sum(map(counts, notes)) >= FATAL_DEATHS
    )


@contextmanager
def in_hand(output: str, slot: ShardSlot, earlier_deaths: int = 0) -> Iterator[None]:
    """Notes an image as open, alone in this process, for as long as the process lives.

    An image that comes through is no suspect any more, whatever deaths it has seen. One that
    raises, or whose process ends in order (:func:`let_go`), is none the worse for it.
    """
    notes = [
        note_uri(output, f"{slot.shard}{_OPEN}{slot.index}-{n}") for n in range(earlier_deaths + 1)
    ]
    with alone():
        _note_open(notes[-1])
        try:
            with _crash_shown_in(notes[-1]):
                yield
        except BaseException:
            _take_back(notes[-1:])
            raise
        _take_back(notes)


def _note_open(uri: str) -> None:
    with _NOTING:
        if not _letting_go.is_set():
            _open_here.add(uri)
            storage.write_atomically(uri, circumstances())


@contextmanager
def _crash_shown_in(note: str) -> Iterator[None]:
    """Lets a crash of this process write its traceback into a note that is a local file."""
    if storage.scheme(note) or _letting_go.is_set():
        yield
        return
    with Path(local_path(note)).open("a") as file:
        faulthandler.enable(file, all_threads=False)
        try:
            yield
        finally:
            faulthandler.disable()


def _take_back(notes: Collection[str]) -> None:
    with _NOTING:
        for uri in notes:
            storage.delete(uri)
            _open_here.discard(uri)


def let_go() -> None:
    """Takes back what this process noted as open: it is about to end, and not by an image."""
    with _NOTING:
        _letting_go.set()
        for uri in tuple(_open_here):
            with contextlib.suppress(OSError):
                storage.delete(uri)
                _open_here.discard(uri)


def keep_aside(output: str, row: Result, run: Mapping[str, Any], images_root: str) -> None:
    """Makes the row of an image that is run with care durable before its shard is whole."""
    assert row.slot is not None
    (content,) = (
        content
        for dataset, _, content in encode_parts(row.slot.shard, [row], run, images_root)
        if dataset != FAILURES
    )
    storage.write_atomically(note_uri(output, f"{row.slot.shard}{_ROW}{row.slot.index}"), content)


def kept_row(output: str, ref: ImageRef, slot: ShardSlot) -> Result | None:
    """The row that an earlier attempt kept aside; None if it is no longer to be had."""
    try:
        content = storage.read(note_uri(output, f"{slot.shard}{_ROW}{slot.index}"))
        (row,) = decode_results(content, slot)
    except (FileNotFoundError, DamagedPartError, ValueError):
        return None
    return row if row.ref == ref else None


@dataclass(frozen=True, slots=True)
class ShardNotes:
    """The notes about one shard, as a listing shows them."""

    shard: str
    files: tuple[StoredFile, ...] = ()

    @property
    def is_begun(self) -> bool:
        """Whether it was begun and never finished."""
        return self._has(_BEGUN)

    @property
    def is_rewritten(self) -> bool:
        """Whether rows were about to leave it when the process died."""
        return self._has(_REWRITE)

    def _has(self, suffix: str) -> bool:
        return any(file.name == self.shard + suffix for file in self.files)

    def has_fatal(self, output: str) -> bool:
        """Whether an image of it has killed processes since the last commit."""
        return bool(_fatal(output, _deaths(self.files)))


def list_notes(output: str, prefix: str = "") -> dict[str, ShardNotes]:
    """The notes about all shards whose ids begin with a prefix, by id; one listing."""
    files: dict[str, list[StoredFile]] = {}
    for file in storage.list_folder(storage.join(output, FOLDER), prefix):
        if (note := _NOTE.fullmatch(file.name)) and note[1]:
            files.setdefault(note[1], []).append(file)
    return {shard: ShardNotes(shard, tuple(notes)) for shard, notes in files.items()}


def begun_images(output: str, shard: str) -> tuple[ImageRef, ...]:
    """The images of a shard that was begun and never finished; none if it has ended since."""
    try:
        content = json.loads(storage.read(note_uri(output, shard + _BEGUN)))
    except FileNotFoundError:
        return ()
    return tuple(ImageRef(uri, version) for uri, version in content)


def begin_rewrite(output: str, shard: str, leaving: Mapping[str, frozenset[str]]) -> None:
    """Notes that rows of some images, by dataset and URI, are about to leave a shard's parts."""
    content = json.dumps({dataset: sorted(uris) for dataset, uris in leaving.items()})
    storage.write_atomically(note_uri(output, shard + _REWRITE), content.encode())


def finish_rewrite(output: str, shard: str) -> None:
    """Takes the note of :func:`begin_rewrite` back, once all parts are written."""
    storage.delete(note_uri(output, shard + _REWRITE))


def begun_rewrite(output: str, shard: str) -> dict[str, frozenset[str]] | None:
    """The rows that were about to leave when the process died, by dataset and URI, if any were."""
    try:
        leaving = json.loads(storage.read(note_uri(output, shard + _REWRITE)))
    except FileNotFoundError:
        return None
    return {dataset: frozenset(uris) for dataset, uris in leaving.items()}


def forget(output: str, notes: ShardNotes, *, but_deaths: bool = False) -> None:
    """Removes the notes about a shard that will not run again.

    With ``but_deaths`` what is noted of deaths stays: its parts stand, and a failure in them that
    an image's deaths account for is a result until the commit.
    """
    names = [file.name for file in notes.files]
    _delete(output, [name for name in names if not (but_deaths and _OPEN in name)])


def clear(output: str, *, keep_writer: bool = False) -> None:
    """Removes all notes and nothing else: the run is committed, or begins anew under its writer."""
    kinds = [_NOTE] if keep_writer else [_NOTE, WRITER_NOTE]
    names = _names(output)
    _delete(output, [name for name in names if any(kind.fullmatch(name) for kind in kinds)])


def _delete(output: str, names: Iterable[str]) -> None:
    for name in names:
        storage.delete(note_uri(output, name))
