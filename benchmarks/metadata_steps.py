"""The real steps from a list of URIs to a committed output, with a stub for the network.

Each shard's parts are written by the real writer, of small masks; ``bare`` is Beam alone, with
elements of the same number and size through as many shuffles.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

WORK: Final = "Work"
"""The name of the step that stands for reading, the network and writing."""

_URIS_A_LIST: Final = 250_000


def write_lists(folder: Path, images: int) -> None:
    """Writes a folder of lists, which together name that many images that do not exist."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True)
    for first in range(0, images, _URIS_A_LIST):
        uris = [
            f"/nowhere/photos/{number // 1000:05}/IMG_{number:09}.jpg"
            for number in range(first, min(first + _URIS_A_LIST, images))
        ]
        name = f"images-{first // _URIS_A_LIST:03}.parquet"
        pq.write_table(pa.table({"image_uri": uris}), folder / name)


def build_steps(
    pipeline: Any, lists: Path, output: Path, shard_size: int, *, resume: bool = False
) -> tuple[Any, Any]:
    """Planning, the stub and the commit; gives what is planned, and the parts."""
    import apache_beam as beam

    from beam_deeplab.transforms.runs.committing import CommitRun
    from beam_deeplab.transforms.runs.planning import PlanRun
    from beam_deeplab.transforms.runs.sharding import Sharding

    run = _run_record()
    plan = (
        pipeline
        | beam.Create([str(lists)])
        | PlanRun(str(output), run, Sharding(shard_size), resume)
    )
    parts = (
        plan.shards
        | beam.Reshuffle()
        | WORK >> beam.FlatMap(_write_shard, str(output), run.part_metadata())
    )
    (parts, plan.summary) | CommitRun(str(output), run)
    return plan, parts


def build_bare(pipeline: Any, lists: Path, shard_size: int) -> None:
    """As many shuffles of elements of the same number and size."""
    import apache_beam as beam
    from apache_beam.pvalue import AsSingleton

    met = (
        pipeline
        | beam.Create(sorted(map(str, lists.iterdir())))
        | beam.Reshuffle()
        | "List" >> beam.FlatMap(_list_bare)
        | "ByBucket" >> beam.GroupByKey()
        | "Meet" >> beam.Map(_meet_bare)
    )
    count = met | "Count" >> beam.Map(_count_bare) | beam.CombineGlobally(sum)
    worked = (
        met
        | "Group" >> beam.Map(_group_bare, AsSingleton(count), shard_size)
        | "ByGroup" >> beam.GroupByKey()
        | "Cut" >> beam.FlatMap(_cut_bare, shard_size)
        | "Spread" >> beam.Reshuffle()
        | WORK >> beam.FlatMap(_work_bare).with_outputs("rows", main="uris")
    )
    worked.uris | "ByBucketAgain" >> beam.GroupByKey() | "Once" >> beam.Map(_count_bare)
    worked.rows | "ByFile" >> beam.GroupByKey() | "File" >> beam.Map(_count_bare)


def cut_short(output: Path, shards: int) -> None:
    """Leaves an output as a run does of which all workers were killed at that many shards."""
    from beam_deeplab.transforms.records import Part, Shard
    from beam_deeplab.transforms.runs import attempts
    from beam_deeplab.transforms.runs.inventory import inspect_shards, list_shards, some_at_once

    (output / "manifest.json").unlink()
    for some in some_at_once(list_shards(str(output))[:shards]):
        for shard in inspect_shards(str(output), some):
            attempts.begin(str(output), Shard(shard.id, tuple(sorted(shard.known()))))
            for dataset in shard.parts:
                (output / Part(dataset, shard.id, 0, 0).path).unlink()


def _write_shard(shard: Any, output: str, run: dict[str, Any]) -> Iterator[Any]:
    from beam_deeplab.transforms.records import (
        ClassArea,
        Failure,
        FailureCode,
        Original,
        Segmentation,
        Stage,
    )
    from beam_deeplab.transforms.runs import attempts
    from beam_deeplab.transforms.runs.writing import write_shard

    attempts.begin(output, shard)
    areas = (ClassArea(0, "background", 900, 0.9, 0.95), ClassArea(1, "aeroplane", 100, 0.1, 0.8))
    rows: list[Any] = [
        Segmentation(ref, b"png", areas, Original(10, 100))
        if number % 256
        else Failure(ref, Stage.READ, FailureCode.NOT_FOUND, "no such file")
        for number, ref in enumerate(shard.refs, 1)
    ]
    yield from write_shard(output, shard.id, rows, run)
    attempts.finish(output, shard.id)


def _list_bare(path: str) -> Iterator[Any]:
    from beam_deeplab.transforms.sources.image_lists import read_uris

    return ((zlib.crc32(uri.encode()) % 4096, ("input", uri, "", None)) for uri in read_uris(path))


def _meet_bare(bucket: Any) -> Any:
    return bucket[0], [(uri, version) for _, uri, version, _ in bucket[1]]


def _count_bare(group: Any) -> Any:
    return sum(1 if isinstance(each, bytes) else len(each) for each in group[1])


def _group_bare(bucket: Any, images: int, size: int) -> Any:
    return bucket[0] % (images // size // 8 + 1), bucket[1]


def _cut_bare(group: Any, size: int) -> Iterator[Any]:
    refs = sorted(ref for some in group[1] for ref in some)
    for start in range(0, len(refs), size):
        yield refs[start : start + size]


def _work_bare(shard: Any) -> Iterator[Any]:
    from apache_beam.pvalue import TaggedOutput

    for uri, _ in shard:
        yield zlib.crc32(uri.encode()) % 4096, [uri]
    # A group alone in Flink's sort buffer must not fill it.
    yield TaggedOutput("rows", (zlib.crc32(shard[0][0].encode()) % 8, os.urandom(50 * len(shard))))


def _run_record() -> Any:
    from beam_deeplab.deeplab.labels import VOC
    from beam_deeplab.transforms.runs.manifest import RunRecord

    labels = VOC.to_dict()
    return RunRecord(
        run_id="metadata",
        fingerprint="0" * 64,
        options={"labels": labels},
        settings={},
        model={"reference": "stub", "digest": "0" * 64, "labels": labels},
        versions={},
        started="2026-01-01T00:00:00.000+00:00",
        images_root="/nowhere/photos",
    )
