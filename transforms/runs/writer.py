"""Who writes an output: a note under ``attempts/`` that one writer at a time can hold.

A writer creates the note of the next number, which of several that try at once one can; so a dead
writer's note is taken over without ever being written by two. The last note is the holder's. It
writes it again and again while it lives, by which machines that share nothing but the storage tell
that it does: by whether the file changes, not by anybody's clock.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.runs.attempts import FOLDER, WRITER_NOTE, note_uri
from beam_deeplab.transforms.runs.manifest import MANIFEST_FILE, Manifest
from beam_deeplab.transforms.storage.local import local_path


class NotHeldError(RuntimeError):
    """The output is not this job's to write."""


@dataclass(frozen=True, slots=True)
class Writer:
    """The content of a note.

    Attributes:
        started: When its run began, as ``run.json`` and ``manifest.json`` say it too.
        host: The launching machine's name, for people.
        machine: What no other machine, and no other container of it, is called.
        pid: The launching process.
        process_started: By that machine's clock, in seconds: one process of many with this number.
        job: The runner's name for the job that writes in its stead, and where it is asked; None
            where the process itself, or what ends with it, writes.
    """

    started: str
    host: str
    machine: str
    pid: int
    process_started: float
    job: Mapping[str, Any] | None = field(default=None, hash=False)

    def to_json(self) -> bytes:
        """The note's content."""
        return json.dumps(asdict(self), indent=2).encode() + b"\n"


def this_process(started: str) -> Writer:
    """This process as the writer of a run that begins at a time."""
    process = psutil.Process()
    return Writer(started, socket.gethostname(), _machine(), process.pid, process.create_time())


def process_lives(writer: Writer) -> bool | None:
    """Whether a writer's process lives; None if that cannot be told from here."""
    if writer.machine != _machine():
        return None
    try:
        os.kill(writer.pid, 0)
        process = psutil.Process(writer.pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        is_same = abs(process.create_time() - writer.process_started) < 1
    except ProcessLookupError:
        return False
    except (OSError, psutil.Error):  # it exists, and is none of ours
        return None
    # The clock may have been set since, so another time alone proves no other process.
    return True if is_same else None


def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # no Linux
        return f"{socket.gethostname()} {uuid.getnode():x}"


def notes(output: str) -> list[str]:
    """The names of an output's notes, the holder's last; OSError if they cannot be listed."""
    listed = storage.list_folder(storage.join(output, FOLDER), "writer-")
    names = [file.name for file in listed if WRITER_NOTE.fullmatch(file.name)]
    return sorted(names, key=_number)


def read_note(output: str, name: str) -> Writer | None:
    """The content of a note; None if it is gone.

    Raises:
        ValueError: It is no note of ours.
        OSError: It cannot be read.
    """
    try:
        return Writer(**json.loads(storage.read(note_uri(output, name))))
    except FileNotFoundError:
        return None
    except TypeError as error:
        raise ValueError(str(error)) from error


def take(output: str, writer: Writer, dead: Collection[Writer] = ()) -> str | None:
    """Takes an output for a writer, unless somebody else has just done so.

    Returns:
        The name of the note that is held now; None if a note of somebody else's stands who is not
        known to be ``dead``. The notes of the dead are removed.

    Raises:
        ValueError: What stands is no note of ours.
        OSError: The notes cannot be read, or none can be written.
    """
    standing = notes(output)
    if not _all_dead(output, standing, dead):
        return None
    name = f"writer-{_number(standing[-1]) + 1 if standing else 1}.json"
    if not storage.create_if_absent(note_uri(output, name), writer.to_json()):
        return None
    # Numbers begin anew where no note is left, so another may stand there by now.
    if not _all_dead(output, [other for other in notes(output) if other != name], dead):
        storage.delete(note_uri(output, name))
        return None
    for other in standing:
        storage.delete(note_uri(output, other))
    return name


def _all_dead(output: str, names: Iterable[str], dead: Collection[Writer]) -> bool:
    return {read_note(output, name) for name in names} <= {*dead, None}


def pass_if_held(element: Any, output: str, name: str, started: str) -> Any:
    """Gives an element back where a note is the holder's still, or its run is committed.

    A job's first step: a job whose launcher was lost before it could note which job it is must
    not begin once somebody else, or nobody, is to write.

    Raises:
        NotHeldError: It is not.
    """
    standing = notes(output)
    if (standing and standing[-1] == name) or is_committed_by(output, started):
        return element
    raise NotHeldError(f"{output} is not this job's: its launcher ended before the job began")


def is_committed_by(output: str, started: str) -> bool:
    """Whether the last commit is that of the run that began at a time.

    Raises:
        OSError: The manifest cannot be read.
        ValueError: It is none of ours.
    """
    try:
        manifest = Manifest.from_json(storage.read(storage.join(output, MANIFEST_FILE)))
    except FileNotFoundError:
        return False
    return manifest.started == started


def give_up(output: str, name: str) -> None:
    """Removes a note, and locally the folder if that leaves it empty: nothing was touched then.

    Raises:
        OSError: It cannot be removed.
    """
    storage.delete(note_uri(output, name))
    if not storage.scheme(output):
        with contextlib.suppress(OSError):
            Path(local_path(storage.join(output, FOLDER))).rmdir()


def _number(name: str) -> int:
    return int(name[len("writer-") : -len(".json")])
