"""The plan as steps of a pipeline: on a real runner, and in the right order."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.records import ImageRef, LeftOut, Shard
from beam_deeplab.transforms.runs.planning import PlanRun
from beam_deeplab.transforms.runs.sharding import PlanSummary, Sharding
from beam_deeplab.transforms.storage import cloud, name_ranges
from tests.gcs_emulator import Gcs, Request
from tests.plans import plan_run, plan_shards
from tests.rows import RUN, write_rows

pytest_plugins = ("tests.gcs_emulator",)


def _photos(folder: Path, count: int) -> list[ImageRef]:
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:03}.jpg").write_bytes(b"photo")
    uris = [str(path) for path in sorted(folder.iterdir())]
    return [
        ImageRef(uri, each.version) for uri, each in zip(uris, storage.versions(uris), strict=True)
    ]


@pytest.mark.parametrize("resume", [False, True])
def test_a_runner_gives_the_plan_that_is_computed_here(tmp_path: Path, resume: bool) -> None:
    refs = _photos(tmp_path / "in", 50)
    output = tmp_path / "out"
    if resume:
        (first, *_) = plan_shards(refs, (), RUN.fingerprint, Sharding(10)).shards
        write_rows(output, first, failed=[first.refs[0].uri])
    shards, summary = plan_run(output, [*refs, *refs[:3]], RUN, Sharding(3), resume=resume, seed=1)

    def as_computed(found: list[Any]) -> None:
        assert {each for each in found if isinstance(each, Shard)} == set(shards)
        assert [each for each in found if isinstance(each, PlanSummary)] == [summary]

    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        patterns = pipeline | beam.Create([f"{tmp_path}/in", f"{tmp_path}/in/00[0-2].jpg"])
        plan = patterns | PlanRun(str(output), RUN, Sharding(3), resume)
        found = (plan.shards, plan.summary) | beam.Flatten()
        assert_that(found, as_computed)
    assert summary.duplicates == 3
    assert summary.skipped == (9 if resume else 0)


def test_a_folder_of_many_pages_is_listed_by_many(
    gcs: Gcs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refs = []
    for number in range(24):
        name = f"photos/{number:02}.jpg"
        refs.append(ImageRef(gcs.uri(name), gcs.put(name, b"photo")))
    for number in range(0, 24, 3):
        gcs.put(f"photos/{number:02}.jpg.json", b"{}")
    monkeypatch.setattr(cloud, "PAGE_SIZE", 8)
    monkeypatch.setattr(name_ranges, "REQUESTS", 30)
    gcs.server.requests.clear()
    shards, summary = plan_run(tmp_path / "out", refs, RUN, Sharding(3), resume=False)

    def as_computed(found: list[Any]) -> None:
        assert {each for each in found if isinstance(each, Shard)} == set(shards)
        (given,) = (each for each in found if isinstance(each, PlanSummary))
        left_out = tuple(LeftOut(pattern, ".json", 8) for pattern in patterns)
        assert given == replace(summary, duplicates=24, left_out=left_out)

    patterns = [gcs.uri("photos/*"), gcs.uri("photos/**")]
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        plan = pipeline | beam.Create(patterns) | PlanRun(str(tmp_path / "out"), RUN, Sharding(3))
        assert_that((plan.shards, plan.summary) | beam.Flatten(), as_computed)
    ranges = {each.query.get("startOffset") for each in gcs.server.requests if _is_page(each)}
    assert len(ranges) >= 10


def _is_page(request: Request) -> bool:
    return request.kind == "list" and request.query["maxResults"] != "1"


def test_no_images_are_a_plan_too(tmp_path: Path) -> None:
    for resume in (False, True):
        shards, summary = plan_run(tmp_path, [], RUN, Sharding(), resume=resume)
        assert (shards, summary) == ((), PlanSummary(0, 0, 0, 0))


_seen: list[str] = []
"""What was done, in order; the steps of a pipeline find it by its name."""


def _work(_: Shard) -> None:
    _seen.append("work")


def _noting(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    _seen.clear()
    for name in ("read", "open_seekable", "write_atomically", "delete", "list_folder"):
        function = getattr(storage, name)

        def noting(uri: str, *rest: Any, name: str = name, function: Any = function) -> Any:
            _seen.append(f"{name} {uri}")
            return function(uri, *rest)

        monkeypatch.setattr(storage, name, noting)
    return _seen


def test_nothing_changes_before_all_has_been_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a real runner, whatever order it likes: its barriers hold."""
    refs = _photos(tmp_path / "in", 40)
    output = tmp_path / "out"
    old = [ImageRef(ref.uri, "old") for ref in refs]
    for shard in plan_shards(old, (), RUN.fingerprint, Sharding(3)).shards:
        write_rows(output, shard)
    seen = _noting(monkeypatch)
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        plan = (
            pipeline
            | beam.Create([f"{tmp_path}/in"])
            | PlanRun(str(output), RUN, Sharding(3), resume=True)
        )
        plan.shards | beam.Map(_work)
    reads = [index for index, each in enumerate(seen) if each.startswith("open_seekable")]
    changes = [index for index, each in enumerate(seen) if each.startswith(("write", "delete"))]
    work = [index for index, each in enumerate(seen) if each == "work"]
    parts = [each for each in seen if each.startswith("delete") and "/masks/part-" in each]
    assert len(reads) == len(parts) == len(work) == 14
    assert max(reads) < min(changes)
    assert max(changes) < min(work)


def test_an_output_is_listed_by_shares_and_never_by_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from beam_deeplab.transforms.runs import attempts

    refs = [ImageRef(f"{number:03}.jpg", "1") for number in range(200)]
    for shard in plan_shards(refs, (), RUN.fingerprint, Sharding(2)).shards:
        attempts.begin(str(tmp_path), shard)
    seen = _noting(monkeypatch)
    shards, _ = plan_run(tmp_path, refs[1:], RUN, Sharding(2))
    assert len(shards) == 100
    listings = [each for each in seen if each.startswith("list_folder")]
    assert len(listings) == 4 * 16


@pytest.fixture
def unreadable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Folders that cannot be listed now."""

    def failing(folder: str, _: str = "") -> Any:
        raise OSError(errno.EIO, os.strerror(errno.EIO), folder)

    monkeypatch.setattr(storage, "list_folder", failing)
    return iter(())


@pytest.mark.usefixtures("unreadable")
def test_an_output_that_cannot_be_listed_stops_a_resume(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        plan_run(tmp_path, [ImageRef("a", "1")], RUN, Sharding())
    assert list(tmp_path.iterdir()) == []
