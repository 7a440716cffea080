"""Start-up: the help text, and the time to the first finished image.

``help_seconds`` is the median wall time of ``python -m beam_deeplab --help``, a process of its own.
What it imports is read from ``-X importtime`` in a further one, which must contain neither Beam nor
TensorFlow.

A run's first image is finished when its shard is durable; shards of one image are asked for
(``--shard_size=1``), so that no other image is waited for. Time counts from the start of
the process, the interpreter's own included. The first run meets an empty cache and converts the
network; the second one finds it converted. ``warm_start_extra_seconds`` is the second run's time
beyond that of a process that only imports ``apache_beam.ml.inference.base`` and ``openvino``,
which is measured in turns with it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from beam_deeplab.deeplab.zoo import CACHE_VARIABLE
from benchmarks.measurement import Measurement, Row, Settings, median, spread
from benchmarks.photos import make_photos
from benchmarks.suite import run_alone

_IMPORTS = "import apache_beam.ml.inference.base, openvino"
_FORBIDDEN = ("apache_beam", "tensorflow", "keras", "openvino")
_PHOTOS = 16


def measure(settings: Settings) -> Measurement:
    photos = make_photos(settings.shared, settings.workspace / "startup", _PHOTOS)
    cache = settings.workspace / "startup-cache"
    times: dict[str, list[float]] = {
        "help": [],
        "imports alone": [],
        "first run, first image": [],
        "second run, first image": [],
        "second run, whole": [],
    }
    for turn in range(max(settings.repeats, 3)):
        times["help"].append(_seconds(["-m", "beam_deeplab", "--help"]))
        times["imports alone"].append(_seconds(["-c", _IMPORTS]))
        fresh = settings.workspace / f"startup-cache-{turn}"
        if turn == 0 or not settings.bars:
            first, _ = _first_image(settings, photos, fresh, f"first-{turn}")
            times["first run, first image"].append(first)
            cache = fresh
        first, whole = _first_image(settings, photos, cache, f"second-{turn}")
        times["second run, first image"].append(first)
        times["second run, whole"].append(whole)
    imported = _imported_by_help()
    extra = median(times["second run, first image"]) - median(times["imports alone"])
    return Measurement(
        name="startup",
        title="Start-up in seconds",
        rows=[_row(name, values) for name, values in times.items()],
        ratios={"help_seconds": median(times["help"]), "warm_start_extra_seconds": extra},
        notes=[
            f"The help text imports {' and '.join(imported) or 'none of: '}"
            f"{'' if imported else ', '.join(_FORBIDDEN)}."
        ],
    )


def _row(name: str, values: list[float]) -> Row:
    return {"what": name, "runs": len(values), "s": median(values), "spread": spread(values)}


def _seconds(arguments: Sequence[str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def _imported_by_help() -> list[str]:
    command = [sys.executable, "-X", "importtime", "-m", "beam_deeplab", "--help"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    modules = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    return [name for name in _FORBIDDEN if name in modules]


def _first_image(
    settings: Settings, photos: Sequence[Path], cache: Path, name: str
) -> tuple[float, float]:
    """Seconds until the first image of a run is durable, and until the program has ended."""
    output = settings.workspace / "startup-output" / name
    listing = output.with_suffix(".txt")
    listing.parent.mkdir(exist_ok=True)
    listing.write_text("".join(f"{photo}\n" for photo in photos))
    names = ["--input", str(listing), "--output", str(output), "--model", str(settings.model)]
    command = [sys.executable, "-m", "beam_deeplab", "segment", *names, "--shard_size=1", "--quiet"]
    start = time.perf_counter()
    started = time.time()
    environment = {**os.environ, CACHE_VARIABLE: str(cache)}
    subprocess.run(command, check=True, env=environment, stderr=subprocess.DEVNULL)
    whole = time.perf_counter() - start
    parts = (output / "masks").glob("*.parquet")
    return min(part.stat().st_mtime for part in parts) - started, whole


if __name__ == "__main__":
    run_alone(measure)
