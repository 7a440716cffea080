"""Which files of a path hold weights, and their digest; without TensorFlow."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Iterable
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
    """

    format: Format
    path: Path
    files: tuple[Path, ...]

    def digest(self) -> str:
        """SHA-256, in hex, over the files' content, one after the other in the order of names.

        The names are not part of it: a renamed checkpoint keeps its digest.
        """
        return sha256_of(self.files)


def sha256_of(files: Iterable[Path]) -> str:
    """SHA-256, in hex, over the content of files, one after the other."""
    content = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                content.update(chunk)
    return content.hexdigest()


def digest_of(path: str | Path) -> str:
    """The digest of the weights at a path, as :attr:`deeplab.checkpoints.Checkpoint.digest`.

    Raises:
        CheckpointError: As :func:`find_weights`.
    """
    return find_weights(path).digest()


def find_weights(path: str | Path) -> WeightFiles:
    """Finds the one set of weights that a path means.

    Args:
        path: A folder with one TF1 checkpoint (the file ``checkpoint`` is not needed), with our
            own weights, or with nothing but one frozen graph; a checkpoint's prefix or its index;
            a frozen graph (.pb); our own weights or their description.

    Returns:
        The files.

    Raises:
        CheckpointError: There is none or more than one, files of it are missing, or the file is
            of a kind that can carry code.
    """
    path = Path(path)
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
    if Path(f"{path}.index").is_file():
        return _tf1(path)
    if path.exists():
        raise CheckpointError(f"{path} is none of what can be read: {_READABLE}")
    raise CheckpointError(f"{path} does not exist, neither as a file nor as a checkpoint's prefix")


def _in_folder(folder: Path) -> WeightFiles:
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    indices = [entry for entry in entries if entry.suffix == ".index"]
    own = [entry for entry in entries if entry.name == WEIGHTS_NAME]
    graphs = [entry for entry in entries if entry.suffix == ".pb" and entry.name not in _CODE_NAMES]
    candidates = indices + own or graphs
    if len(candidates) > 1:
        names = ", ".join(entry.name for entry in candidates)
        raise CheckpointError(f"{folder} holds several checkpoints: {names}; name one of them")
    if not candidates:
        refused = [entry.name for entry in entries if entry.suffix.lower() in _CODE_SUFFIXES]
        refused += [entry.name for entry in entries if entry.name in _CODE_NAMES]
        why = f"; {', '.join(refused)} can carry code and is not read" if refused else ""
        raise CheckpointError(f"{folder} holds no checkpoint{why}; it should hold {_READABLE}")
    return find_weights(candidates[0])


def _tf1(prefix: Path) -> WeightFiles:
    shards = sorted(prefix.parent.glob(f"{glob.escape(prefix.name)}.data-*-of-*"))
    expected = int(shards[0].name.rpartition("-of-")[2]) if shards else 1
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
