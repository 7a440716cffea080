"""Rows that are durable, counted from parts."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import pytest

from beam_deeplab.pipeline.progress.durable_rows import FOOTERS, DurableRows
from beam_deeplab.transforms import storage
from tests.rows import plan_of, write_rows


def test_rows_are_counted_as_shards_are_written_mended_and_removed(tmp_path: Path) -> None:
    first, second = plan_of(7, 4).shards
    masks, failures = ((DurableRows(str(tmp_path)), name) for name in ("masks", "failures"))
    assert masks[0].count("masks") == 0
    write_rows(tmp_path, first, failed=["001.jpg"])
    (tmp_path / "masks" / ".part-0.parquet.tmp").write_bytes(b"half")
    (tmp_path / "masks" / "mine.parquet").write_bytes(b"not ours")
    assert [rows.count(name) for rows, name in (masks, failures)] == [2, 1]
    write_rows(tmp_path, second)
    assert [rows.count(name) for rows, name in (masks, failures)] == [6, 1]
    write_rows(tmp_path, first)
    assert [rows.count(name) for rows, name in (masks, failures)] == [7, 0]
    (tmp_path / "masks" / f"part-{second.id}.parquet").unlink()
    assert masks[0].count("masks") == 3


def test_a_footer_is_read_once_and_a_broken_one_until_it_is_mended(tmp_path: Path) -> None:
    (shard,) = plan_of(3, 3).shards
    write_rows(tmp_path, shard)
    part = tmp_path / "masks" / f"part-{shard.id}.parquet"
    whole = part.read_bytes()
    rows = DurableRows(str(tmp_path))
    assert rows.count("masks") == 3
    part.write_bytes(bytes(len(whole)))
    assert rows.count("masks") == 3
    part.write_bytes(whole[:-1])
    assert rows.count("masks") == 0
    part.write_bytes(whole)
    assert rows.count("masks") == 3


def test_a_large_output_costs_a_listing_and_some_footers(tmp_path: Path) -> None:
    shards = plan_of(3 * FOOTERS, 2).shards
    for shard in shards:
        write_rows(tmp_path, shard)
    rows = DurableRows(str(tmp_path))
    opened = []
    open_seekable = storage.open_seekable

    def counted(uri: str) -> BinaryIO:
        opened.append(uri)
        return open_seekable(uri)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "open_seekable", counted)
        assert rows.count("masks") == 3 * FOOTERS
        assert len(opened) == FOOTERS < len(shards)
        assert rows.count("masks") == 3 * FOOTERS
        assert len(opened) == len(set(opened)) == len(shards)
