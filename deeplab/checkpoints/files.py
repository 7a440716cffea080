"""Which files of a path hold weights, and their digest; without TensorFlow."""

from __future__ import annotations

import dataclasses
import glob
import hashlib
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

WEIGHTS_NAME = "weights.safetensors"
DESCRIPTION_NAME = "model.json"

_CODE_SUFFIXES = frozenset({".h5", ".hdf5", ".keras", ".pkl", ".pickle", ".pt", ".pth", ".joblib"})
_CODE_NAMES = frozenset({"saved_model.pb", "saved_model.pbtxt"})
_READABLE = (
    "a TF1 checkpoint (*.index with its *.data files), a frozen graph (.pb), or a folder with "
    f"{WEIGHTS_NAME} and {DESCRIPTION_NAME}"
)


MAX_BYTES = 4 << 30
"""Of one network's weights; the largest official ones have 165 MB."""

STATE_NAME = "checkpoint"
"""The text file by which TensorFlow says which of a folder's checkpoints is the last one."""

_DEEPEST = 4
_MOST_FOLDERS = 1000
_NAMES_SHOWN = 12
_STATE = re.compile(r'^\s*model_checkpoint_path:\s*"(.*)"\s*$', re.MULTILINE)
_STEP = re.compile(r"(.*)-(\d{1,18})")
_BESIDE_INDEX = re.compile(r"(.+)\.(?:meta|data-\d{5}-of-\d{5})")


class CheckpointError(ValueError):
    """Weights that cannot be had from a path; the message says what to do."""


class Format(Enum):
    """How weights are kept."""

    TF1 = "TF1 checkpoint"
    FROZEN_GRAPH = "frozen graph"
    OWN = "own weights"


@dataclass(frozen=True, slots=True)
class WeightFiles:
    """Where one network's weights are.

    Attributes:
        format: How they are kept.
        path: The checkpoint's prefix, the graph, or the weights file.
        files: All files that hold them, sorted by name.
        choice: Where a folder held several checkpoints, a line that says which is taken, and why.
    """

    format: Format
    path: Path
    files: tuple[Path, ...]
    choice: str = ""

    @property
    def all_files(self) -> tuple[Path, ...]:
        """Those files, and the description that our own weights are nothing without."""
        if self.format is Format.OWN:
            return (*self.files, self.path.parent / DESCRIPTION_NAME)
        return self.files

    def digest(self) -> str:
        """SHA-256, in hex, over the files' content, one after the other in the order of names.

        The names are not part of it: a renamed checkpoint keeps its digest.

        Raises:
            CheckpointError: The files cannot be read, or are larger than any network's.
        """
        try:
            size = sum(file.stat().st_size for file in self.files)
            if size > MAX_BYTES:
                raise CheckpointError(
                    f"{self.path} has {size} bytes, more than the {MAX_BYTES} of any network"
                )
            return sha256_of(self.files)
        except OSError as error:
            raise CheckpointError(f"{self.path} cannot be read: {error.strerror}") from error


def sha256_of(files: Iterable[Path]) -> str:
    """SHA-256, in hex, over the content of files, one after the other."""
    content = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                content.update(chunk)
    return content.hexdigest()


def digest_of(path: str | Path) -> str:
    """The digest of the weights at a path, as ``Checkpoint.digest``.

    Raises:
        CheckpointError: As :func:`find_weights`.
    """
    return find_weights(path).digest()


def find_weights(path: str | Path) -> WeightFiles:
    """Finds the one set of weights that a path means.

    Args:
        path: A folder with TF1 checkpoints (of several, the one that the file ``checkpoint`` names,
            else that of the newest step), with our own weights, or with nothing but one frozen
            graph, or with such a folder some levels below; a checkpoint's prefix or any of its
            files; a frozen graph (.pb); our own weights or their description.

    Raises:
        CheckpointError: There is none or more than one, files of it are missing, or the file is of
            a kind that can carry code.
    """
    path = Path(path)
    try:
        return _find(path)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be looked at: {error.strerror}") from error


def _find(path: Path) -> WeightFiles:
    if path.is_dir():
        return _in_folder(path)
    if path.suffix.lower() in _CODE_SUFFIXES or path.name in _CODE_NAMES:
        raise CheckpointError(
            f"{path} is of a kind that can carry code, so it is not read; give {_READABLE}"
        )
    if path.suffix == ".index" and path.is_file():
        return _tf1(path.with_suffix(""))
    if path.suffix == ".pb" and path.is_file():
        return WeightFiles(Format.FROZEN_GRAPH, path, (path,))
    if path.name in (WEIGHTS_NAME, DESCRIPTION_NAME) and path.is_file():
        return _own(path.parent)
    if path.name == STATE_NAME and path.is_file():
        return _in_folder(path.parent)
    beside = _BESIDE_INDEX.fullmatch(path.name)
    for prefix in (path, path.with_name(beside[1])) if beside else (path,):
        if Path(f"{prefix}.index").is_file():
            return _tf1(prefix)
    if path.exists():
        raise CheckpointError(f"{path} is none of what can be read: {_READABLE}")
    raise CheckpointError(f"{path} does not exist, neither as a file nor as a checkpoint's prefix")


def choose_checkpoint(names: Collection[str], state: str) -> tuple[str, str] | None:
    """Which of a folder's TF1 checkpoints is meant, and why it; None where that cannot be told.

    Args:
        names: Their names, without ``.index``.
        state: What the folder's file ``checkpoint`` says; empty if there is none.
    """
    for path in _STATE.findall(state):
        named = re.split(r"[/\\]", path)[-1]
        if named in names:
            return named, f"as the file {STATE_NAME!r} says"
    steps = [match for name in names if (match := _STEP.fullmatch(name))]
    if len(steps) == len(names) and len({match[1] for match in steps}) == 1:
        return max(steps, key=lambda match: int(match[2]))[0], "of the newest step"
    return None


def _in_folder(folder: Path) -> WeightFiles:
    """The weights in a folder, or else in the one folder below it that has some."""
    level = [folder]
    for _ in range(_DEEPEST):
        found = [(each, candidates) for each in level if (candidates := _candidates(each))]
        if len(found) > 1:
            raise _several(folder, [each for each, _ in found])
        if found:
            return _choose(*found[0])
        # What lies below a SavedModel belongs to it.
        level = [
            below
            for each in level
            if not any((each / name).exists() for name in _CODE_NAMES)
            for below in _entries(each)
            if below.is_dir() and not below.is_symlink()
        ][:_MOST_FOLDERS]
    refused = [
        entry.name
        for entry in _entries(folder)
        if entry.name in _CODE_NAMES or entry.suffix.lower() in _CODE_SUFFIXES
    ]
    why = f"; {', '.join(refused[:_NAMES_SHOWN])} can carry code and is not read" if refused else ""
    raise CheckpointError(f"{folder} holds no checkpoint{why}; it should hold {_READABLE}")


def _entries(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))


def _candidates(folder: Path) -> list[Path]:
    """Files of which each stands for one set of weights; graphs only where there is no other."""
    entries = _entries(folder)
    own = [entry for entry in entries if entry.suffix == ".index" or entry.name == WEIGHTS_NAME]
    graphs = [entry for entry in entries if entry.suffix == ".pb" and entry.name not in _CODE_NAMES]
    return own or graphs


def _choose(folder: Path, candidates: list[Path]) -> WeightFiles:
    if len(candidates) == 1:
        return _find(candidates[0])
    names = [candidate.stem for candidate in candidates if candidate.suffix == ".index"]
    state = folder / STATE_NAME
    said = state.read_text("utf-8", "replace") if state.is_file() else ""
    chosen = choose_checkpoint(names, said) if len(names) == len(candidates) else None
    if chosen is None:
        raise _several(folder, candidates)
    name, why = chosen
    choice = f"of {len(names)} checkpoints in {folder}, {name} is taken, {why}"
    return dataclasses.replace(_tf1(folder / name), choice=choice)


def _several(folder: Path, candidates: list[Path]) -> CheckpointError:
    names = ", ".join(str(entry.relative_to(folder)) for entry in candidates[:_NAMES_SHOWN])
    more = " …" if len(candidates) > _NAMES_SHOWN else ""
    return CheckpointError(f"{folder} holds several checkpoints: {names}{more}; name one of them")


def _tf1(prefix: Path) -> WeightFiles:
    shards = sorted(prefix.parent.glob(f"{glob.escape(prefix.name)}.data-*-of-*"))
    numbers = shards[0].name.rpartition("-of-")[2] if shards else ""
    expected = int(numbers) if numbers.isdecimal() and len(numbers) == 5 else 1
    if len(shards) != expected:
        raise CheckpointError(
            f"{prefix}.index needs {expected} data file(s) beside it, such as "
            f"{prefix.name}.data-00000-of-{expected:05d}; there are {len(shards)}"
        )
    return WeightFiles(Format.TF1, prefix, (*shards, Path(f"{prefix}.index")))


def _own(folder: Path) -> WeightFiles:
    weights = folder / WEIGHTS_NAME
    for file in (weights, folder / DESCRIPTION_NAME):
        if not file.is_file():
            raise CheckpointError(f"{file} is missing; it belongs to the weights in that folder")
    return WeightFiles(Format.OWN, weights, (weights,))
