"""How far a run is, for every runner: counted from what is durable in its output.

The planning step leaves the total in ``attempts/plan.json``; the rows of finished shards are
counted from their parts. So progress needs nothing of the runner, and what is
shown is never lost again.

Parts are counted by one listing. How many rows a part has its footer says, which is read once, and
of so many parts at most with each look; the others are taken to be like those that were read. So
small outputs are counted exactly, and large ones within a few shards.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from beam_deeplab.pipeline.progress.rate import Rate
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.parquet.schemas import FAILURES, RESULTS
from beam_deeplab.transforms.runs.attempts import FOLDER, PLAN_FILE
from beam_deeplab.transforms.runs.inventory import PART_NAME
from beam_deeplab.transforms.runs.manifest import MANIFEST_FILE

_READERS: Final = 16
FOOTERS: Final = 64
"""Footers that are read with one look."""


@dataclass(frozen=True, slots=True)
class RunProgress:
    """How far a run is.

    Attributes:
        planned: Images that it works on.
        done: How many of them are durable in the output, failures included.
        failures: Failures in the output, those that earlier work left included.
        rate: Images a second lately; None until that can be told.
        seconds_left: Until the last image is durable; None until that can be told.
    """

    planned: int
    done: int
    failures: int
    rate: float | None = None
    seconds_left: float | None = None


class Watcher:
    """Looks at an output again and again; made once the run has begun, before it can end."""

    def __init__(self, output: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._plan = storage.join(output, FOLDER, PLAN_FILE)
        self._manifest = storage.join(output, MANIFEST_FILE)
        # What an earlier commit has left is not the end of the run that adds to it.
        self._old_manifest = storage.versions([self._manifest])[0].version
        self._counts: dict[str, int] | None = None
        self._rows = DurableRows(output)
        self._rate = Rate()

    def look(self) -> RunProgress | None:
        """How far the run is now; None while it lists and plans.

        Raises:
            OSError: The output cannot be looked at.
        """
        self._counts = self._counts or self._read_counts()
        if self._counts is None:
            return None
        results = sum(map(self._rows.count, RESULTS))
        progress = progress_of(self._counts, results, self._rows.count(FAILURES))
        now = self._clock()
        self._rate.add(now, progress.done)
        left = self._rate.seconds_for(progress.planned - progress.done, now)
        return replace(progress, rate=self._rate.per_second(now), seconds_left=left)

    def _read_counts(self) -> dict[str, int] | None:
        with contextlib.suppress(FileNotFoundError):
            plan: dict[str, int] = json.loads(storage.read(self._plan))
            return plan
        # The commit tidies the plan away; a short run may have ended before it was seen.
        with contextlib.suppress(FileNotFoundError):
            content, version = storage.read_version(self._manifest, "")
            if version != self._old_manifest:
                return dict(json.loads(content)["counts"])
        return None


def progress_of(counts: Mapping[str, int], results: int, failures: int) -> RunProgress:
    """Progress, without a rate, from a plan's counts and the rows that stand in the output.

    Rows that are about to be replaced may still stand, and rows that stay may stand no longer
    while their part is rewritten; the count keeps between 0 and what is planned.
    """
    planned = counts["planned"]
    done = results + failures - counts["skipped"] - counts["not_in_inputs"]
    return RunProgress(planned, min(max(0, done), planned), failures)


class DurableRows:
    """Counts the rows in an output's results and failures; it need not exist yet."""

    def __init__(self, output: str) -> None:
        self._output = output
        self._known: dict[str, dict[str, tuple[int, int]]] = {}

    def count(self, dataset: str) -> int:
        """Rows of a dataset now.

        Raises:
            OSError: The folder cannot be listed.
        """
        folder = storage.join(self._output, dataset)
        known = self._known.get(dataset, {})
        files = [file for file in storage.list_folder(folder) if PART_NAME.fullmatch(file.name)]
        now = {
            file.name: known[file.name]
            for file in files
            if file.name in known and known[file.name][0] == file.size
        }
        new = [file for file in files if file.name not in now]
        if new:
            some = new[:FOOTERS]
            with ThreadPoolExecutor(min(_READERS, len(some))) as pool:
                uris = [storage.join(folder, file.name) for file in some]
                for file, rows in zip(some, pool.map(_rows, uris), strict=True):
                    if rows is not None:
                        now[file.name] = file.size, rows
        self._known[dataset] = now
        rows_read = sum(rows for _, rows in now.values())
        not_read = len(new[FOOTERS:])
        return rows_read + (round(not_read * rows_read / len(now)) if now else 0)


def _rows(uri: str) -> int | None:
    """Rows of a part; None if it has gone meanwhile, or is no part after all."""
    try:
        with storage.open_seekable(uri) as file:
            return int(pq.read_metadata(file).num_rows)
    except (pa.ArrowException, OSError):
        return None
