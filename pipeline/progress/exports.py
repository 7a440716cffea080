"""How far an export is, for every runner: by the records of finished parts in its output."""

from __future__ import annotations

import time
from collections.abc import Mapping

from beam_deeplab.pipeline.progress.estimate import RunProgress
from beam_deeplab.pipeline.progress.rate import Rate
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.exporting.records import FOLDER, RECORD_SUFFIX


class ExportWatcher:
    """Looks at an export's output again and again.

    Args:
        output: The export's.
        images: The images of each of the run's parts, by the part's id.
    """

    def __init__(self, output: str, images: Mapping[str, int]) -> None:
        self._folder = storage.join(output, FOLDER)
        self._images = images
        self._rate = Rate()

    def look(self) -> RunProgress:
        """How far it is now; OSError if the output cannot be looked at."""
        names = (file.name for file in storage.list_folder(self._folder))
        done = sum(self._images.get(name.removesuffix(RECORD_SUFFIX), 0) for name in names)
        planned = sum(self._images.values())
        now = time.monotonic()
        self._rate.add(now, done)
        left = self._rate.seconds_for(planned - done, now)
        return RunProgress(planned, done, 0, self._rate.per_second(now), left)
