"""The transforms in a pipeline of one's own, as the README shows them."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.testing.util import assert_that
from PIL import Image

from beam_deeplab import Failure, ImageRef, Segmentation, SegmentImages
from beam_deeplab.deeplab.engines import ScaleError
from beam_deeplab.transforms.records import BatchBarrier, EncodedImage
from beam_deeplab.transforms.runs import attempts
from beam_deeplab.transforms.segmenting.composites import only_for, read_shard
from tests.rows import plan_of, write_rows


def _segments(*expected: tuple[str, int, int]) -> Callable[[list[Segmentation]], None]:
    """Checks the collection ``.segmentations`` by key and size."""

    def check(rows: list[Segmentation]) -> None:
        assert sorted(
            (row.ref.uri, row.original.width, row.original.height) for row in rows
        ) == sorted(expected)
        for row in rows:
            mask = np.asarray(Image.open(io.BytesIO(row.mask_png)))
            assert mask.shape == (row.original.height, row.original.width)
            counts = {area.class_id: area.pixels for area in row.areas}
            assert counts == {int(label): int((mask == label).sum()) for label in np.unique(mask)}

    return check


def _fails(**expected: str) -> Callable[[list[Failure]], None]:
    """Checks the collection ``.failures`` by the key's stem and code."""

    def check(rows: list[Failure]) -> None:
        assert {Path(row.ref.uri).stem: str(row.code) for row in rows} == expected

    return check


def _run(model: Path, images: list[Any], segments: Any, fails: Any, **options: Any) -> None:
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        results = pipeline | beam.Create(images) | SegmentImages(model=str(model), **options)
        assert_that(results.segmentations, segments, label="segmentations")
        assert_that(results.failures, fails, label="failures")


def test_uris(mobilenet_checkpoint: Path, voc_photos: list[Path], tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.jpg")
    _run(
        mobilenet_checkpoint,
        [str(voc_photos[0]), missing],
        _segments((str(voc_photos[0]), 500, 294)),
        _fails(missing="NOT_FOUND"),
    )


def test_image_refs(mobilenet_checkpoint: Path, voc_photos: list[Path]) -> None:
    photo = voc_photos[0]
    stat = photo.stat()
    known = ImageRef(str(photo), f"{stat.st_size}-{stat.st_mtime_ns}")
    changed = ImageRef(str(voc_photos[1]), "1-1")
    _run(
        mobilenet_checkpoint,
        [known, changed],
        _segments((str(photo), 500, 294)),
        _fails(**{voc_photos[1].stem: "CHANGED"}),
    )


def test_keyed_bytes(mobilenet_checkpoint: Path, voc_photos: list[Path]) -> None:
    _run(
        mobilenet_checkpoint,
        [("one", voc_photos[0].read_bytes()), ("none", b""), ("text", b"plain text")],
        _segments(("one", 500, 294)),
        _fails(none="EMPTY", text="UNSUPPORTED_FORMAT"),
    )


def test_several_scales_and_mirror_images(
    mobilenet_checkpoint: Path, voc_photos: list[Path]
) -> None:
    _run(
        mobilenet_checkpoint,
        [("one", voc_photos[0].read_bytes())],
        _segments(("one", 500, 294)),
        _fails(),
        canvas=(257, 257),
        eval_scales=(1.0, 0.5),
        flip=True,
    )


def test_scales_that_cannot_be_had_are_refused_where_the_pipeline_is_built(
    mobilenet_checkpoint: Path,
) -> None:
    images = beam.Pipeline() | beam.Create(["photo.jpg"])
    with pytest.raises(ScaleError, match=r"0\.1 is no scale"):
        images | SegmentImages(model=str(mobilenet_checkpoint), eval_scales=(0.1, 1.0))


def test_what_is_no_work_passes_every_step_untouched() -> None:
    def never(row: object) -> Failure:
        raise AssertionError(row)

    from tests.rows import failure, segmentation

    step = only_for(EncodedImage, never)
    for row in (failure(ImageRef("bad")), segmentation(ImageRef("kept")), BatchBarrier()):
        assert step(row) is row


def test_of_a_shard_that_stands_whole_nothing_is_read(
    tmp_path: Path,
) -> None:
    """As when its bundle is retried; of one that lacks a part, or is to be made again, all is."""
    (shard,) = plan_of(3, 3).shards
    output = str(tmp_path)
    parts = write_rows(output, shard, failed=[shard.refs[1].uri])
    attempts.begin(output, shard)
    assert set(read_shard(shard, output)) == set(parts)
    assert list(tmp_path.glob("attempts/*")) == []

    again = list(read_shard(replace(shard, again=True), output))
    assert [type(row) for row in again] == [Failure] * 3, "there are no such files"
    attempts.finish(output, shard.id)
    (tmp_path / parts[0].path).unlink()
    assert [type(row) for row in read_shard(shard, output)] == [Failure] * 3
