"""How far a run is, for every runner: counted from what is durable in its output.

The planning step leaves the total in ``attempts/plan.json``; the rows of finished shards are
counted from their parts. So progress needs nothing of the runner, and what is
shown is never lost again.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from beam_deeplab.pipeline.progress.durable_rows import DurableRows
from beam_deeplab.pipeline.progress.rate import Rate
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.parquet.schemas import FAILURES, MASKS
from beam_deeplab.transforms.runs.attempts import FOLDER, PLAN_FILE
from beam_deeplab.transforms.runs.manifest import MANIFEST_FILE


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
        masks, failures = (self._rows.count(dataset) for dataset in (MASKS, FAILURES))
        progress = progress_of(self._counts, masks, failures)
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


def progress_of(counts: Mapping[str, int], masks: int, failures: int) -> RunProgress:
    """Progress, without a rate, from a plan's counts and the rows that stand in the output.

    Rows that are about to be replaced may still stand, and rows that stay may stand no longer
    while their part is rewritten; the count keeps between 0 and what is planned.
    """
    planned = counts["planned"]
    done = masks + failures - counts["skipped"] - counts["not_in_inputs"]
    return RunProgress(planned, min(max(0, done), planned), failures)
