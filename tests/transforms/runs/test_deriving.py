"""Tables in a power of two of files: every row once, at every moment, however many there are."""

from __future__ import annotations

import contextlib
import functools
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_deeplab.transforms.records import ImageRef
from beam_deeplab.transforms.runs import deriving
from beam_deeplab.transforms.runs.deriving import FILE_BYTES, TableFiles, deal
from beam_deeplab.transforms.runs.sharding import Sharding
from tests.killed_runs import Killed, writes_observed
from tests.plans import commit_run, plan_shards
from tests.rows import RUN, write_rows


def _commit(output: str, images: int, file_bytes: int, killed_at: int | None, seed: int) -> None:
    """Commits an output that holds so many images, each of them failed."""
    shutil.rmtree(f"{output}/failures", ignore_errors=True)
    plan = plan_shards(_refs(images), (), RUN.fingerprint, Sharding(5))
    parts = [
        part
        for shard in plan.shards
        for part in write_rows(output, shard, failed=[ref.uri for ref in shard.refs])
    ]

    def nothing_twice() -> None:
        assert max(_shown(output).values(), default=1) == 1

    with pytest.MonkeyPatch.context() as patch, writes_observed(nothing_twice, killed_at):
        patch.setattr(deriving, "FILE_BYTES", file_bytes)
        commit_run(output, RUN, plan.summary(), parts, seed=seed)


def _refs(images: int) -> list[ImageRef]:
    return [ImageRef(f"gs://b/{number}", "1") for number in range(images)]


def _shown(output: str) -> Counter[str]:
    files = Path(output).glob("images/*.parquet")
    return Counter(uri for file in files for uri in _uris(file, _version(file)))


def _version(file: Path) -> tuple[int, int]:
    return file.stat().st_ino, file.stat().st_ctime_ns


@functools.cache  # each write is looked at, and changes one file
def _uris(file: Path, version: tuple[int, int]) -> list[str]:
    uris: list[str] = pq.read_table(file).column("image_uri").to_pylist()
    return uris


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(
    commits=st.lists(
        st.tuples(st.integers(0, 60), st.sampled_from([500, 2000, 9000]), st.integers(0, 20)),
        min_size=1,
        max_size=4,
    ),
    seed=st.integers(0, 9),
)
def test_every_image_is_shown_once_whatever_stood_there_before(
    commits: list[tuple[int, int, int]], seed: int
) -> None:
    """Also where an earlier commit was killed between any two writes, and order is by chance."""
    with tempfile.TemporaryDirectory() as output:
        for images, file_bytes, killed_at in commits:
            with contextlib.suppress(Killed):
                _commit(output, images, file_bytes, killed_at, seed)
            _commit(output, images, file_bytes, None, seed + 1)
            assert _shown(output) == Counter(ref.uri for ref in _refs(images))
            files = len(list(Path(output).glob("images/*.parquet")))
            assert files & (files - 1) == 0


def test_rows_stay_in_their_file_or_move_to_its_twin_when_files_double() -> None:
    rows = pa.table({"image_uri": [f"gs://b/{number}" for number in range(1000)]})
    four, eight = deal(rows, 4), deal(rows, 8)
    for index, table in enumerate(four):
        both = eight[index].num_rows + eight[index + 4].num_rows
        assert table.num_rows == both > 0


@pytest.mark.parametrize(
    ("expected_bytes", "standing", "files"),
    [
        (0, [], TableFiles(1, 1)),
        (FILE_BYTES, [0], TableFiles(1, 1)),
        (3 * FILE_BYTES, [], TableFiles(4, 4)),
        (3 * FILE_BYTES, [0], TableFiles(4, 1)),
        (3 * FILE_BYTES, range(8), TableFiles(4, 4)),
        (8 * FILE_BYTES, [0, 1], TableFiles(8, 2)),
        # A commit from two files to eight died when it had written the first, and its like.
        (8 * FILE_BYTES, [0, 1, 2, 4, 6], TableFiles(8, 2)),
        (8 * FILE_BYTES, [0, 1, 2, 3, 4, 6], TableFiles(8, 4)),
    ],
)
def test_the_number_of_files_follows_the_bytes(
    expected_bytes: int, standing: list[int], files: TableFiles
) -> None:
    assert TableFiles.of(expected_bytes, standing) == files
