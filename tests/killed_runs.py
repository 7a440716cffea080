"""Runs at the level of functions on real files, watched at each write and killed before any.

They go the program's way from ``run.json`` to ``manifest.json``, without Beam and without a
network: a file's content says what becomes of its image.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beam_deeplab.pipeline.runs import start_run
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.parquet.parts import Result
from beam_deeplab.transforms.parquet.schemas import DATASETS, MASKS
from beam_deeplab.transforms.records import (
    BatchBarrier,
    EncodedImage,
    Failure,
    ImageRef,
    Part,
    Segmentation,
    Shard,
)
from beam_deeplab.transforms.runs import attempts
from beam_deeplab.transforms.runs.inventory import take_inventory
from beam_deeplab.transforms.runs.manifest import Manifest
from beam_deeplab.transforms.runs.sharding import Sharding
from beam_deeplab.transforms.runs.writing import write_shard
from beam_deeplab.transforms.segmenting.composites import read_shard
from tests.plans import commit_run, plan_resume
from tests.rows import FACTS, RUN, failure, segmentation

WRITES = ("write_atomically", "create_if_absent", "delete")

Rows = dict[str, tuple[str, str, bytes]]
"""By URI: dataset, version, mask."""


class Killed(BaseException):
    """The process ends here; nothing of it runs any more."""


class Output:
    """An output as others see it, read again after every write to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[tuple[Any, ...], list[tuple[str, str, bytes]]] = {}

    def rows(self) -> Rows:
        """What globs over masks and failures show; fails if that is an image twice."""
        rows = [
            (uri, (dataset, version, mask))
            for dataset in ("masks", "failures")
            for path in self.folder.glob(f"{dataset}/*.parquet")
            for uri, version, mask in self._rows_of(path)
        ]
        twice = [uri for uri, count in Counter(uri for uri, _ in rows).items() if count > 1]
        assert not twice, f"{twice} shown twice"
        return dict(rows)

    def _rows_of(self, path: Path) -> list[tuple[str, str, bytes]]:
        status = path.stat()
        key = (path, status.st_ino, status.st_mtime_ns, status.st_size)
        if key not in self._read:
            try:
                table = pq.read_table(path).to_pylist()
            except pa.ArrowInvalid:  # truncated by the test
                table = []
            self._read[key] = [
                (row["image_uri"], row["image_version"], row.get("mask", {"bytes": b""})["bytes"])
                for row in table
            ]
        return self._read[key]

    def committed(self) -> bool:
        """Whether a manifest says that just what stands is complete."""
        file = self.folder / "manifest.json"
        if not file.exists():
            return False
        stands = {
            (str(path.relative_to(self.folder)), path.stat().st_size)
            for dataset in DATASETS
            for path in self.folder.glob(f"{dataset}/part-*.parquet")
        }
        parts = pq.read_table(self.folder / Manifest.from_json(file.read_bytes()).parts.file)
        return stands == {(part["path"], part["size"]) for part in parts.to_pylist()}

    def files(self, shards: set[str]) -> dict[Path, tuple[int, int, bytes]]:
        """Identity, time and content of the parts of some shards."""
        return {
            path: (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes())
            for dataset in DATASETS
            for path in self.folder.glob(f"{dataset}/part-*.parquet")
            if path.stem.removeprefix("part-") in shards
        }


@contextmanager
def writes_observed(
    observe: Callable[[], None], killed_at: int | None = None
) -> Iterator[Callable[[], None]]:
    """Looks at the output after each write, and ends the process before the n-th.

    Gives a function that ends the process now.
    """
    count, alive = 0, True

    def kill() -> None:
        nonlocal alive
        alive = False
        raise Killed

    def guarded(write: Callable[..., Any]) -> Callable[..., Any]:
        def guard(*arguments: Any) -> Any:
            nonlocal count
            if not alive:
                return None
            if count == killed_at:
                kill()
            count += 1
            result = write(*arguments)
            observe()
            return result

        return guard

    with pytest.MonkeyPatch.context() as patch:
        for name in WRITES:
            patch.setattr(storage, name, guarded(getattr(storage, name)))
        yield kill


@dataclass
class World:
    """Image files whose content says what becomes of them, and the runs over them."""

    folder: Path
    clock: int = 0
    runs: int = 0
    promised: dict[str, str] = field(default_factory=dict)
    """Version by URI of each mask that stands and must stay."""

    def __post_init__(self) -> None:
        (self.folder / "in").mkdir()
        self.output = Output(self.folder / "out")

    @property
    def out(self) -> str:
        return str(self.output.folder)

    def put(self, name: str, kind: str) -> None:
        self.clock += 1
        path = self.folder / "in" / name
        path.write_text(f"{kind} {self.clock}")
        os.utime(path, (self.clock, self.clock))

    def apply(self, change: tuple[str, Any, Any]) -> None:
        what, which, how = change
        if what == "put":
            self.put(which, how)
        elif what == "remove":
            (self.folder / "in" / which).unlink(missing_ok=True)
        elif parts := sorted(
            path for name in DATASETS for path in self.output.folder.glob(f"{name}/part-*.parquet")
        ):
            part = parts[which % len(parts)]
            shard = part.stem.removeprefix("part-")
            if part.parent.name == MASKS:
                for ref in take_inventory(self.out)[shard].refs(MASKS):
                    self.promised.pop(ref.uri, None)
            part.unlink() if how == "delete" else part.write_bytes(part.read_bytes()[:-9])

    def refs(self) -> list[ImageRef]:
        uris = [str(path) for path in (self.folder / "in").iterdir()]
        found = storage.versions(uris)
        return [ImageRef(uri, each.version) for uri, each in zip(uris, found, strict=True)]

    def kinds(self) -> dict[str, str]:
        return {ref.uri: Path(ref.uri).read_text().split()[0] for ref in self.refs()}

    def promise(self) -> None:
        """Notes what stands and is right, before a run touches the output."""
        inventory = take_inventory(self.out)
        for shard in inventory.values():
            self.promised |= {ref.uri: ref.version for ref in shard.refs(MASKS)}
        now = {ref.uri: ref.version for ref in self.refs()}
        for uri, version in list(self.promised.items()):
            if now.get(uri, version) != version:
                del self.promised[uri]

    def untouchable(self) -> set[str]:
        """Shards that no change of the inputs concerns."""
        now = {ref.uri: ref.version for ref in self.refs()}
        inventory = take_inventory(self.out)
        return {
            shard.id
            for shard in inventory.values()
            if shard.is_whole
            and all(
                ref.uri not in now or (dataset == MASKS and now[ref.uri] == ref.version)
                for dataset in DATASETS
                for ref in shard.refs(dataset)
            )
        }

    def run(self, shard_size: int, workers: int = 1, killed_at: int | None = None) -> Manifest:
        """One run of the program, resumed if there was one before."""
        self.promise()
        concerned_not = self.untouchable()
        before = self.output.files(concerned_not)
        self._intact = self.output.committed()
        try:
            with writes_observed(self._observe, killed_at) as kill:
                return self._work(shard_size, workers, kill)
        finally:
            assert self.output.files(concerned_not) == before

    def _observe(self) -> None:
        rows = self.output.rows()
        if (self.output.folder / "manifest.json").exists():
            assert self.output.committed() or not self._intact
        else:
            self._intact = True
        for uri, version in self.promised.items():
            assert uri in rows, f"{uri} is gone"
            assert rows[uri][:2] == ("masks", version)

    def _work(self, shard_size: int, workers: int, kill: Callable[[], None]) -> Manifest:
        self.runs += 1
        run = start_run(self.out, RUN, resume=True, overwrite=False)
        refs = self.refs()
        plan, summary = plan_resume(
            self.out, [*refs, *refs[:2]], run, Sharding(shard_size), discard_damaged=True
        )
        worked_on = {ref.uri: ref.version for shard in plan.shards for ref in shard.refs}
        assert not worked_on.items() & self.promised.items(), "paid twice"
        written: list[Part] = []
        waiting = list(plan.shards)
        under_way: list[Generator[Part]] = []
        try:
            while waiting or under_way:
                while waiting and len(under_way) < workers:
                    under_way.append(self._write(waiting.pop(0), kill))
                for shard in list(under_way):
                    part = next(shard, None)
                    if part is None:
                        under_way.remove(shard)
                    else:
                        written.append(part)
        finally:
            for shard in under_way:
                shard.close()
        return commit_run(self.out, run, summary, written)

    def _write(self, shard: Shard, kill: Callable[[], None]) -> Generator[Part]:
        rows: list[Result | Failure] = []
        with closing(read_shard(shard, self.out)) as read:  # type: ignore[type-var]
            for row in read:
                if isinstance(row, EncodedImage) and row.data.startswith(b"fatal"):
                    kill()
                if isinstance(row, BatchBarrier):
                    continue
                if isinstance(row, Part):
                    yield row
                    continue
                rows.append(outcome := self._outcome(row))
                if isinstance(outcome, Segmentation) and outcome.slot and outcome.slot.with_care:
                    attempts.keep_aside(self.out, outcome, FACTS, "")
                if len(rows) == len(shard.refs):
                    yield from write_shard(self.out, shard.id, rows, FACTS)
                    attempts.finish(self.out, shard.id)

    def _outcome(self, row: EncodedImage | Failure | Result) -> Result | Failure:
        if not isinstance(row, EncodedImage):
            return row
        if row.data.startswith(b"bad") or (row.data.startswith(b"flaky") and self.runs % 2):
            return failure(row.ref, row.slot)
        return segmentation(row.ref, row.slot, row.data)

    def run_until_committed(self, shard_size: int, workers: int = 1) -> Manifest:
        """Undisturbed but for images that kill.

        Each may cost a run at first, and alone as many as it takes to be sure.
        """
        fatal = list(self.kinds().values()).count("fatal")
        runs = (1 + attempts.FATAL_KILLS) * fatal + 1
        for _ in range(runs):
            try:
                return self.run(shard_size, workers)
            except Killed:
                pass
        raise AssertionError(f"killed {runs} times by {fatal} images")
