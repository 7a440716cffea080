"""What a user names, listed and planned: pairs in shards, and a row for each that is none."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from beam_deeplab.transforms.evaluating.pair_sources import (
    NamedImage,
    NamedTruth,
    Role,
    Source,
    list_source,
)
from beam_deeplab.transforms.evaluating.planning import plan_pairs

from beam_deeplab.transforms.records import FailureCode, ImageRef, LabelledRef, Stage
from beam_deeplab.transforms.runs.committing import commit_run
from beam_deeplab.transforms.sources.image_lists import ImageListError
from tests.transforms.runs.test_committing import RUN
from tests.transforms.runs.test_committing import _write as write_run


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name in ("i/a.jpg", "i/b.jpg", "i/note.txt", "t/a.png", "t/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def test_images_and_truths_are_listed_with_their_versions(files: Path) -> None:
    images = list(list_source(Source(Role.IMAGES, str(files / "i"))))
    truths = list(list_source(Source(Role.TRUTHS, str(files / "t" / "*.png"))))
    assert [Path(row.ref.uri).name for row in images if isinstance(row, NamedImage)] == [
        "a.jpg",
        "b.jpg",
    ]
    assert [Path(row.ref.uri).name for row in truths if isinstance(row, NamedTruth)] == [
        "a.png",
        "b.png",
    ]
    assert all(not isinstance(row, LabelledRef) and row.ref.version for row in [*images, *truths])


@pytest.mark.parametrize("pattern", ["pairs.csv", "pairs.parquet", "*.csv"])
def test_a_list_pairs_by_its_rows(files: Path, pattern: str) -> None:
    """Relative paths count from the list's folder; what is not there comes without a version."""
    rows = [("i/a.jpg", "t/b.png"), (str(files / "i" / "b.jpg"), "t/missing.png")]
    (files / "pairs.csv").write_text(
        "\n".join(["image_uri,split,truth_uri", *(f"{i},val,{t}" for i, t in rows)])
    )
    columns = {"truth_uri": [t for _, t in rows], "image_uri": [i for i, _ in rows]}
    pq.write_table(pa.table(columns), files / "pairs.parquet")
    first, second = list_source(Source(Role.PAIRS, str(files / pattern)))
    assert isinstance(first, LabelledRef)
    assert isinstance(second, LabelledRef)
    assert (first.uri, first.truth.uri) == (str(files / "i/a.jpg"), str(files / "t/b.png"))
    assert first.version
    assert first.truth.version
    assert second.version
    assert second.truth == ImageRef(str(files / "t/missing.png"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("image_uri\na.jpg", "needs a column 'truth_uri'; its columns are 'image_uri'"),
        ("image_uri,truth_uri\na.jpg,", "line 2 has no truth_uri"),
        ("image_uri,truth_uri\na.jpg", "line 2 has no truth_uri"),
    ],
)
def test_a_list_without_truths_is_malformed(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "pairs.csv").write_text(content)
    with pytest.raises(ImageListError, match=words):
        list(list_source(Source(Role.PAIRS, str(tmp_path / "pairs.csv"))))


def test_masks_of_a_run_come_with_their_part_and_failures_with_their_reason(tmp_path: Path) -> None:
    plan, parts = write_run(tmp_path)
    commit_run(str(tmp_path), RUN, plan.summary(), parts)
    (tmp_path / "masks" / "part-0000000000000000.parquet").write_text("of no commit")
    rows = list(list_source(Source(Role.SEGMENTED, str(tmp_path))))
    assert all(isinstance(row, NamedImage) for row in rows)
    images = {row.ref.uri: row for row in rows if isinstance(row, NamedImage)}
    assert images.keys() == {f"{i}.jpg" for i in range(7)}
    failed = images.pop("2.jpg")
    assert failed.failure is not None
    assert (failed.failure.code, failed.failure.stage) == (FailureCode.CORRUPT, Stage.DECODE)
    for row in images.values():
        assert row.failure is None
        held = pq.read_table(row.part).column("image_uri").to_pylist()
        assert row.ref.uri in held

    truths = [NamedTruth(ImageRef(f"{i}.png")) for i in range(7)]
    planned = plan_pairs([*rows, *truths], "run", shard_size=1)
    by_part = {shard.part: {ref.uri for ref in shard.refs} for shard in planned.shards}
    assert len(by_part) == len(planned.shards)
    for part, uris in by_part.items():
        assert uris <= set(pq.read_table(part).column("image_uri").to_pylist())
    (failure,) = planned.failures
    assert failure.ref == LabelledRef("2.jpg", "1", ImageRef("2.png"))
    assert (failure.code, failure.message) == (FailureCode.CORRUPT, "broken")


def test_each_pair_is_in_one_shard_and_the_plan_is_the_same_in_any_order() -> None:
    named = [NamedImage(ImageRef(f"/i/{n}.jpg", "1")) for n in range(10)]
    truths = [NamedTruth(ImageRef(f"/t/{n}.png", "1")) for n in range(2, 12)]
    plan = plan_pairs([*named, *truths], "run", shard_size=3)
    assert plan_pairs([*reversed(truths), *reversed(named)], "run", shard_size=3) == plan
    pairs = [ref for shard in plan.shards for ref in shard.refs]
    assert [ref.uri for ref in pairs] == [f"/i/{n}.jpg" for n in range(2, 10)]
    assert [len(shard.refs) for shard in plan.shards] == [3, 3, 2]
    assert len(set(plan.summary.shards)) == 4
    assert {str(failure.code) for failure in plan.failures} == {"MISSING_TRUTH", "MISSING_IMAGE"}
    summary = plan.summary
    assert (summary.images, summary.truths, summary.pairs, summary.unpaired) == (10, 10, 8, 4)
    other = plan_pairs([*named, *truths], "another run", shard_size=3)
    assert not set(other.summary.shards) & set(summary.shards)
