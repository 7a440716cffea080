"""The derived tables: what shards wrote, flat, complete, and in types that readers take."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beam_deeplab.transforms.parquet.parts import encode_parts, open_part, read_columns
from beam_deeplab.transforms.parquet.schemas import FAILURES, MASKS, dataset_schema
from beam_deeplab.transforms.records import ClassArea, ImageRef, Segmentation
from beam_deeplab.transforms.runs.sharding import Sharding
from beam_deeplab.transforms.runs.tables import TABLES
from beam_deeplab.transforms.runs.tables.class_areas import CLASS_AREAS
from beam_deeplab.transforms.runs.tables.images import IMAGES
from beam_deeplab.transforms.runs.tables.table import Collection, ShardRows
from beam_deeplab.transforms.runs.writing import write_shard
from tests.plans import commit_run, plan_shards
from tests.rows import FACTS, LABELS, RUN, segmentation, shard_rows


@pytest.fixture
def committed(tmp_path: Path) -> Path:
    """Seven images in shards of three, one of them failed."""
    refs = [ImageRef(f"gs://b/photos/{i}.jpg", "1") for i in range(7)]
    plan = plan_shards(refs, (), RUN.fingerprint, Sharding(3))
    failed = ["gs://b/photos/2.jpg"]
    parts = [
        part
        for shard in plan.shards
        for part in write_shard(str(tmp_path), shard.id, shard_rows(shard, failed), FACTS)
    ]
    commit_run(str(tmp_path), RUN, plan.summary(), parts)
    return tmp_path


def test_class_areas_are_the_nested_ones(committed: Path) -> None:
    areas = pq.read_table(committed / "class_areas").to_pylist()
    assert len(areas) == 12
    assert areas[1] == {
        "image_uri": "gs://b/photos/0.jpg",
        "image_version": "1",
        "class_id": 12,
        "class_name": "dog",
        "genre": "animal",
        "pixels": 4,
        "fraction": 0.4,
        "mean_confidence": 0.5,
    }


def test_images_are_one_row_each_with_zeros_for_what_is_not_there(committed: Path) -> None:
    images = pq.read_table(committed / "images").to_pylist()
    assert len(images) == 7
    done, failed = images[0], images[2]
    assert (done["name"], done["status"], done["code"]) == ("b/photos/0.jpg", "done", None)
    assert (done["fraction_dog"], done["fraction_class_0"], done["fraction_class_5"]) == (
        0.4,
        0.6,
        0,
    )
    assert done["confidence"] == pytest.approx(0.6 * 0.9 + 0.4 * 0.5)
    assert (failed["status"], failed["code"], failed["fraction_dog"]) == ("failed", "CORRUPT", None)
    average = f"select avg(fraction_class_5) from '{committed}/images/*.parquet'"
    assert duckdb.sql(average).fetchall() == [(0,)]


@pytest.mark.parametrize("table", TABLES[MASKS], ids=lambda table: table.name)
def test_tables_are_one_file_of_names_that_bigquery_takes(committed: Path, table: object) -> None:
    name = table.name  # type: ignore[attr-defined]
    (file,) = (committed / name).iterdir()
    schema = pq.read_schema(file)
    assert all(re.fullmatch(r"[a-z_][a-z0-9_]{0,299}", column) for column in schema.names)
    assert len({column.lower() for column in schema.names}) == len(schema.names)
    assert b"beam_deeplab" in schema.metadata


def test_the_whole_output_is_a_data_set_of_hugging_face(committed: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    cache = str(tmp_path / "cache")
    images = datasets.load_dataset(str(committed), "images", split="train", cache_dir=cache)
    assert images.num_rows == 7
    masks = datasets.load_dataset(str(committed), split="train", cache_dir=cache)
    assert masks.num_rows == 6
    assert isinstance(masks.features["mask"], datasets.Image)
    assert set(masks.select_columns("areas")[0]["areas"][1]) == {
        "class_id",
        "pixels",
        "fraction",
        "mean_confidence",
    }
    failures = datasets.load_dataset(str(committed), "failures", split="train", cache_dir=cache)
    assert failures["code"] == ["CORRUPT"]


def test_ignored_pixels_are_in_no_class() -> None:
    """Of pictures of 5 x 2, one keeps 6 pixels of two classes, the other none."""
    rows = [
        replace(segmentation(ImageRef("a", "1")), areas=areas)
        for areas in ((ClassArea(0, "class 0", 4, 0.4, 0.9), ClassArea(12, "dog", 2, 0.2, 0.6)), ())
    ]
    shard = ShardRows(_table(MASKS, rows), _table(FAILURES, []))
    kept, nothing = IMAGES.rows(shard, Collection(LABELS)).to_pylist()
    assert kept["ignored"] == pytest.approx(0.4)
    assert kept["confidence"] == pytest.approx((4 * 0.9 + 2 * 0.6) / 6)
    assert (nothing["ignored"], nothing["confidence"], nothing["fraction_dog"]) == (1, None, 0)
    assert CLASS_AREAS.rows(shard, Collection(LABELS)).num_rows == 2


def _table(dataset: str, rows: list[Segmentation]) -> pa.Table:
    contents = {name: content for name, _, content in encode_parts("s", rows, FACTS)}
    if not contents[dataset]:
        return dataset_schema(dataset).empty_table()
    return read_columns(open_part(io.BytesIO(contents[dataset])))


def test_fractions_add_up(committed: Path) -> None:
    images = pq.read_table(committed / "images")
    fractions = [name for name in images.column_names if name.startswith("fraction_")]
    total = sum(images.column(name).to_numpy() for name in fractions)
    assert np.nan_to_num(total, nan=1.0) == pytest.approx(1)
    assert images.num_rows == sum(
        pq.read_table(committed / name).num_rows for name in (MASKS, FAILURES)
    )
