"""Whole pipelines side by side: ours against the official way, tf.data with Keras, and stock Beam.

All read the same JPEG files and write full-size masks as PNG and pixels by class, ours into its
Parquet parts with confidences besides. Each peer computes in float32, its best precision on these
CPUs; ours also in bfloat16, where the CPU has it, and in 8 bits, calibrated on the test photos of
PASCAL VOC. CPU time an image, all threads of a contestant's process, stands beside the rates, which
are images over the time from the first photo read
to the last output written; start-up stands beside them. Ours takes its turn with all photos, a
peer with a slice of them, another one each turn (stock Beam, by far the slowest, with a quarter of
that): their rates do not depend on the number of photos.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.beam_peer import StockRunInference
from benchmarks.children import Child, Turn
from benchmarks.machine import has_precision
from benchmarks.measurement import Row, Settings, median, spread
from benchmarks.observed_job import ObservedJob
from benchmarks.peers import BATCH_SIZE, KerasDataset, OfficialWay
from benchmarks.photos import one_a_bucket, slices

OFFICIAL_CANVAS = "ours, f32, official canvas"
DEFAULT_CANVAS = "ours, f32, default canvas"
BFLOAT16 = "ours, bf16, default canvas"
INT8 = "ours, int8, default canvas"

OURS = {
    OFFICIAL_CANVAS: ("--canvas", "official"),
    DEFAULT_CANVAS: (),
    BFLOAT16: ("--precision", "bf16"),
    INT8: (),
}
"""Flags of our contestants; that of bfloat16 takes part where the CPU has it."""

_Peer = OfficialWay | KerasDataset | StockRunInference
_folders = itertools.count()


@dataclass
class Contestant:
    """One pipeline and its turns.

    Attributes:
        name: Its row's name.
        run: Works on photos into a folder.
        photos: What it works on in each turn.
        start_up_seconds: Before its first photo.
        rates: Images a second of each turn.
        cpu_ms: CPU time of an image in each turn.
    """

    name: str
    run: Callable[[Sequence[Path], Path], Turn]
    photos: list[list[Path]]
    start_up_seconds: float
    rates: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)

    def take_turn(self, turn: int, workspace: Path) -> None:
        """One more rate."""
        photos = self.photos[turn]
        took = self.run(photos, workspace / f"output-{next(_folders)}")
        self.rates.append(len(photos) / took.seconds)
        self.cpu_ms.append(1000 * took.cpu_seconds / len(photos))

    def row(self) -> Row:
        """The table's row."""
        return {
            "pipeline": self.name,
            "images a turn": len(self.photos[0]),
            "images/s": median(self.rates),
            "spread": spread(self.rates),
            "CPU ms": median(self.cpu_ms),
            "start-up s": self.start_up_seconds,
        }


def compare(
    settings: Settings, photos: list[Path], peer_photos: int, ours: Sequence[str] = tuple(OURS)
) -> tuple[list[Row], dict[str, float | None]]:
    """Measures all pipelines on the same photos, in turns.

    Args:
        settings: How often.
        photos: The input.
        peer_photos: How many of them a peer works on in a turn.
        ours: Which of :data:`OURS` take part.

    Returns:
        A row a pipeline; and of each of ours, by name, its rate over the best peer's, and with
        ``, CPU`` behind the name the best peer's CPU time over its own, None where this CPU
        cannot run it.
    """
    palette = _palette()
    with ExitStack() as stack:
        contestants = _ours(stack, settings, photos, ours) + _peers(
            stack, settings, photos, peer_photos, palette
        )
        for turn in range(settings.repeats):
            for contestant in contestants:
                contestant.take_turn(turn, settings.workspace)
    peers = [each for each in contestants if each.name not in OURS]
    best_rate = max(median(each.rates) for each in peers)
    least_cpu = min(median(each.cpu_ms) for each in peers)
    ratios: dict[str, float | None] = dict.fromkeys([*ours, *(f"{name}, CPU" for name in ours)])
    for each in contestants:
        if each.name in OURS:
            ratios[each.name] = median(each.rates) / best_rate
            ratios[f"{each.name}, CPU"] = least_cpu / median(each.cpu_ms)
    return [each.row() for each in contestants], ratios


def _ours(
    stack: ExitStack, settings: Settings, photos: list[Path], names: Sequence[str]
) -> list[Contestant]:
    contestants = []
    for name in names:
        if name == BFLOAT16 and not has_precision("bf16"):
            continue
        model = _in_8_bits(settings) if name == INT8 else settings.model
        child = stack.enter_context(Child(ObservedJob, model))
        flags = OURS[name]

        def run(
            photos: Sequence[Path],
            folder: Path,
            child: Child[ObservedJob] = child,
            flags: Sequence[str] = flags,
        ) -> Turn:
            job = child.call(ObservedJob.run, photos, folder, flags)
            return Turn(job.seconds, job.cpu_seconds)

        warm_up = settings.workspace / f"output-{next(_folders)}"
        first = child.call(ObservedJob.run, one_a_bucket(photos), warm_up, flags)
        start_up = child.start_up_seconds + first.start_up_seconds
        contestants.append(Contestant(name, run, [photos] * settings.repeats, start_up))
    return contestants


def _in_8_bits(settings: Settings) -> Path:
    """The model, quantized; in a process of its own, which holds TensorFlow then."""
    folder = settings.workspace / "int8"
    if not folder.exists():
        photos = settings.shared / "voc" / "JPEGImages"
        paths = ["--input", str(photos), "--output", str(folder), "--model", str(settings.model)]
        command = [sys.executable, "-m", "beam_deeplab", "quantize", *paths, "--quiet"]
        subprocess.run(command, check=True)
    return folder


def _peers(
    stack: ExitStack, settings: Settings, photos: list[Path], count: int, palette: bytes
) -> list[Contestant]:
    warm_up = photos[0]
    few = max(BATCH_SIZE, count // 4)
    official = stack.enter_context(Child(OfficialWay, settings.frozen_graph, palette, warm_up))
    dataset = stack.enter_context(Child(KerasDataset, settings.model, palette, warm_up))
    stock = stack.enter_context(
        Child(StockRunInference, settings.model, palette, warm_up, settings.workspace)
    )
    children: list[tuple[str, Child[_Peer], int]] = [
        ("official way: Pillow, frozen graph", official, count),
        ("tf.data, Keras predict", dataset, count),
        ("Beam, stock RunInference", stock, few),
    ]
    return [
        Contestant(
            name, _runner(child), slices(photos, each, settings.repeats), child.start_up_seconds
        )
        for name, child, each in children
    ]


def _runner(child: Child[_Peer]) -> Callable[[Sequence[Path], Path], Turn]:
    def run(photos: Sequence[Path], folder: Path) -> Turn:
        # All peers name it so; calls go by the method's name.
        return child.timed(OfficialWay.run, photos, folder)

    return run


def _palette() -> bytes:
    from beam_deeplab.deeplab.labels import for_class_count

    return for_class_count(21).palette_bytes()
