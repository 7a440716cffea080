"""An export's output: refused, cleared, begun, and read again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from beam_deeplab.pipeline.options import RunFailedError, UsageError, refusing
from beam_deeplab.pipeline.runs import differing_options
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.exporting.records import (
    BEGUN_FILE,
    EXPORT_FILE,
    FOLDER,
    FORMAT_VERSION,
    write_json,
)
from beam_deeplab.transforms.runs import attempts
from beam_deeplab.transforms.storage.local import is_temporary_name

_DELETERS: Final = 16
_SAME: Final = ("format", "options", "run")
"""What an export has in common with the one that it goes on with."""


def check_export_output(
    output: str, begun: Mapping[str, Any], *, resume: bool, overwrite: bool
) -> None:
    """Refuses an output that holds anything but an export that is to be touched.

    Raises:
        UsageError: It does; the message says what can be done.
    """
    with refusing("--output", OSError, RunFailedError):
        earlier = _read(output, BEGUN_FILE)
        if earlier is None:
            other = next((uri for uri in storage.files_below(output) if not _is_ours(uri)), None)
            if other is not None:
                raise UsageError(f"{output} holds {other}: give an --output that is empty")
            return
        if overwrite:
            return
        if not resume:
            is_whole = storage.exists(storage.join(output, EXPORT_FILE))
            raise UsageError(
                f"{output} holds an export: give another --output, or --overwrite to start anew"
                if is_whole
                else f"{output} holds an export that did not end: --resume continues it, "
                "--overwrite starts anew"
            )
        different = differing_options(
            *({name: each[name] for name in _SAME} for each in (earlier, begun))
        )
        if different:
            raise UsageError(
                f"{output} is an export of something else, and cannot be resumed: "
                f"{'; '.join(different)}; --overwrite starts anew"
            )


def _is_ours(uri: str) -> bool:
    """Whether a file is one that a writer leaves before it says that it has begun."""
    folder, _, name = uri.rpartition("/")
    return is_temporary_name(name) or folder.endswith(f"/{attempts.FOLDER}")


def begin_export(output: str, begun: Mapping[str, Any], *, overwrite: bool) -> None:
    """Makes an output ready for work: removes an earlier export, or what a dead writer left.

    ``export.json`` goes first, so that nothing half removed is called an export, and
    ``begun.json``, which proves that the files are ours, stays until others take its place.

    Raises:
        UsageError: A file cannot be removed or written.
    """
    with refusing("--output", OSError, RunFailedError):
        storage.delete(storage.join(output, EXPORT_FILE))
        earlier = _read(output, BEGUN_FILE)
        if earlier is not None:
            _delete_all(_owned(output, earlier["owns"]) if overwrite else _half_written(output))
        write_json(output, BEGUN_FILE, begun)


def _owned(output: str, tops: Iterable[str]) -> Iterator[str]:
    """An earlier export's files, but for the note that they are ours."""
    for top in (*tops, f"{FOLDER}/"):
        uri = storage.join(output, top)
        yield from storage.files_below(uri) if top.endswith("/") else [uri]


def _half_written(output: str) -> Iterator[str]:
    for uri in storage.files_below(output):
        if is_temporary_name(uri.rpartition("/")[2]):
            yield uri


def _delete_all(uris: Iterable[str]) -> None:
    with ThreadPoolExecutor(_DELETERS) as pool:
        left = (uri for uri in uris if not uri.endswith(f"/{BEGUN_FILE}"))
        list(pool.map(storage.delete, left))


def read_export(output: str) -> dict[str, Any]:
    """What ``export.json`` says.

    Raises:
        RunFailedError: It is not there, or is not one of ours.
    """
    export = _read(output, EXPORT_FILE)
    if export is None:
        raise RunFailedError(f"{output} holds no export: it has no {EXPORT_FILE}")
    return export


def _read(output: str, name: str) -> dict[str, Any] | None:
    file = storage.join(output, name)
    try:
        fields = json.loads(storage.read(file))
        version = fields["format_version"]
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise RunFailedError(f"{file} is not a file of beam-deeplab: {error!r}") from error
    if version != FORMAT_VERSION:
        raise RunFailedError(f"{file} has layout {version}; this version reads {FORMAT_VERSION}")
    return dict(fields)
