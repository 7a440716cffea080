"""An output's life: a run starts in it, resumes in it, or gives way to a new one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from beam_deeplab.pipeline.options import RunFailedError, UsageError, refusing
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.parquet.schemas import MASKS
from beam_deeplab.transforms.runs import attempts
from beam_deeplab.transforms.runs.card import CARD_FILE
from beam_deeplab.transforms.runs.manifest import (
    MANIFEST_FILE,
    PARTS_FILE,
    RUN_FILE,
    Manifest,
    RunRecord,
)
from beam_deeplab.transforms.runs.run_files import FILES, NO_FAILURES, remove_temporary_files
from beam_deeplab.transforms.runs.segmented import read_segmented_manifest
from beam_deeplab.transforms.storage.local import local_path


def check_output(output: str, *, resume: bool, overwrite: bool) -> None:
    """Refuses an output that holds a run, unless it is to be resumed or overwritten.

    Raises:
        UsageError: It holds one.
    """
    with refusing("--output", OSError):
        if overwrite:
            _refuse_links(output)
        if resume or overwrite:
            return
        if storage.exists(storage.join(output, MANIFEST_FILE)):
            raise UsageError(
                f"{output} holds a committed run: give another --output, --resume to add what is "
                "new or failed, or --overwrite to start anew"
            )
        if storage.exists(storage.join(output, RUN_FILE)):
            raise UsageError(
                f"{output} holds a run that was not committed: --resume continues it, "
                "--overwrite starts anew"
            )


def _refuse_links(output: str) -> None:
    """What a link within the output leads to is not the output's to remove."""
    if storage.scheme(output):
        return
    for name in (*FILES, attempts.FOLDER):
        if Path(local_path(storage.join(output, name))).is_symlink():
            raise UsageError(
                f"{output}/{name} is a link: --overwrite removes nothing that lies elsewhere; "
                "remove the link, or give another --output"
            )


def start_run(output: str, run: RunRecord, *, resume: bool, overwrite: bool) -> RunRecord:
    """Makes an output ready for work, and gives the record of a new or of the resumed run.

    Raises:
        UsageError: Another run stands there; or the one to resume had other options.
        OSError: The output cannot be written.
    """
    if overwrite:
        remove_run(output)
    file = storage.join(output, RUN_FILE)
    if storage.create_if_absent(file, run.to_json()):
        return run
    if not storage.exists(file):
        raise UsageError(f"{file} is no file: remove it, or give another --output")
    if not resume:
        raise UsageError(f"{output} holds another run, which began just now")
    check_same_options(output, run)
    earlier = read_run(output)
    remove_temporary_files(output)
    storage.delete(storage.join(output, attempts.FOLDER, attempts.PLAN_FILE))
    # The job itself says so in the output, once it has read what stands there.
    return replace(run, run_id=earlier.run_id, images_root=earlier.images_root)


def check_same_options(output: str, run: RunRecord) -> None:
    """Refuses to resume, under other options, the run that stands in an output, if one does.

    Raises:
        UsageError: An option that decides results differs; the message names it.
    """
    if not storage.exists(storage.join(output, RUN_FILE)):
        return
    different = differing_options(read_run(output).options, run.options)
    if different:
        raise UsageError(
            f"{output} was begun with other options, and cannot be resumed with these: "
            f"{'; '.join(different)}"
        )


def differing_options(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Each option that differs, as ``name was A, is B``."""
    return [
        f"{name} was {_brief(earlier.get(name))}, is {_brief(now.get(name))}"
        for name in sorted({*earlier, *now})
        if earlier.get(name) != now.get(name)
    ]


def read_run(output: str) -> RunRecord:
    """What ``run.json`` says.

    Raises:
        UsageError: It is not a file of ours.
    """
    with refusing(output, ValueError):
        return RunRecord.from_json(storage.read(storage.join(output, RUN_FILE)))


def read_manifest(output: str) -> Manifest:
    """The manifest of a committed output.

    Raises:
        RunFailedError: There is none.
    """
    try:
        return Manifest.from_json(storage.read(storage.join(output, MANIFEST_FILE)))
    except FileNotFoundError as error:
        raise RunFailedError(
            f"{output} is not committed: it has no {MANIFEST_FILE}; --resume continues the run"
        ) from error


def read_committed(output: str, flag: str, results: str = MASKS) -> Manifest:
    """The manifest of a run that a flag names, for what is made of its masks or renders.

    Raises:
        UsageError: It is not committed, not one that this version reads, or has other results.
    """
    with refusing(flag, OSError), refusing(f"{flag} {output}", ValueError):
        try:
            manifest = read_segmented_manifest(output)
        except FileNotFoundError as error:
            if not storage.exists(storage.join(output, RUN_FILE)):
                raise UsageError(f"{flag} {output}: holds no run of `segment`") from error
            raise UsageError(
                f"{flag} {output}: is not committed (it has no {MANIFEST_FILE}): finish it with "
                "`segment --resume`"
            ) from error
    if manifest.dataset != results:
        raise UsageError(f"{flag} {output}: is a run with {manifest.dataset}, not {results}")
    return manifest


def remove_run(output: str) -> None:
    """Removes the files of a run: those that our naming proves ours, and no others.

    The manifest goes first, so that nothing half removed is called committed, and ``run.json``
    last, so that a removal that was cut short can be repeated.

    Raises:
        UsageError: The output holds no run of ours, but files under our names.
    """
    if not storage.exists(storage.join(output, RUN_FILE)):
        if storage.exists(storage.join(output, MANIFEST_FILE)):
            raise UsageError(f"{output} has a {MANIFEST_FILE} without a {RUN_FILE}: not ours")
        return
    read_run(output)
    storage.delete(storage.join(output, MANIFEST_FILE))
    remove_temporary_files(output)
    attempts.clear(output, keep_writer=True)
    for path in (CARD_FILE, PARTS_FILE, NO_FAILURES):
        storage.delete(storage.join(output, path))
    for name, pattern in FILES.items():
        folder = storage.join(output, name)
        for file in storage.list_folder(folder):
            if pattern.fullmatch(file.name):
                storage.delete(storage.join(folder, file.name))
    storage.delete(storage.join(output, RUN_FILE))


def _brief(value: object, length: int = 60) -> str:
    text = str(value)
    return text if len(text) <= length else f"{text[: length - 1]}…"
