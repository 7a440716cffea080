"""The main job on real photos and the official network, read back with the tools people use."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image
from pycocotools.coco import COCO

from beam_deeplab.pipeline.cli import main
from beam_deeplab.transforms.runs.manifest import Manifest
from tests import forking
from tests.forking import NETWORKS

Labels = NDArray[np.uint8]

OFFICIAL = ("--canvas", "official")
SOME = "2008_00[2-5]*.jpg"
"""Five of the photos."""


def _arguments(shared: Path, output: Path, *flags: str, photos: str = "*.jpg") -> list[str]:
    return [
        "segment",
        "--input",
        str(shared / "voc" / "JPEGImages" / photos),
        "--output",
        str(output),
        "--model",
        str(shared / "checkpoints" / "deeplabv3_mnv2_pascal_trainval"),
        *flags,
    ]


def run_program(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """The program in a process of its own, as a user starts it."""
    return forking.run([sys.executable, "-m", "beam_deeplab", *arguments], imports=NETWORKS)


def rows_of(output: Path, dataset: str) -> list[dict[str, Any]]:
    """A dataset's rows by image and class.

    Without the shard and the mask's name below the inputs, which say nothing of the result.
    """
    rows = ds.dataset(output / dataset, format="parquet").to_table().to_pylist()
    for row in rows:
        row.pop("shard", None)
        if "mask" in row:
            del row["mask"]["path"]
    return sorted(rows, key=lambda row: (row["image_uri"], row.get("class_id", 0)))


def masks_of(output: Path) -> dict[str, Labels]:
    """Label maps by the photo's name without its ending."""
    return {
        Path(row["image_uri"]).stem: np.asarray(Image.open(io.BytesIO(row["mask"]["bytes"])))
        for row in rows_of(output, "masks")
    }


@pytest.fixture(scope="module")
def segmented(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 22 photos, segmented by the program on the official canvas."""
    output = tmp_path_factory.mktemp("run") / "out"
    done = run_program(_arguments(shared, output, *OFFICIAL))
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    for words in ("Segmented", "masks", "background", f"Committed: {output}"):
        assert words in done.stdout
    return output


@pytest.mark.slow
def test_exports_hold_the_masks(segmented: Path, tmp_path: Path) -> None:
    masks = masks_of(segmented)
    for name in ("png", "coco"):
        flags = [f"--format={name}", "--output", str(tmp_path / name), "--quiet"]
        assert main(["export", str(segmented), *flags]) == 0
    coco = COCO(str(tmp_path / "coco" / "annotations" / "instances_default.json"))
    assert len(coco.imgs) == len(masks) == 22
    for image in coco.imgs.values():
        name = Path(image["file_name"]).stem
        grey = Image.open(tmp_path / "png" / "SegmentationClass" / f"{name}.png")
        np.testing.assert_array_equal(np.asarray(grey), masks[name])
        found = np.zeros_like(masks[name])
        for annotation in coco.imgToAnns[image["id"]]:
            found[coco.annToMask(annotation) == 1] = annotation["category_id"]
        np.testing.assert_array_equal(found, masks[name])


@pytest.fixture(scope="module")
def official_masks(shared: Path, voc_photos: list[Path]) -> Mapping[str, Labels]:
    """What the official frozen graph answers to each photo."""
    import tensorflow as tf

    folder = shared / "checkpoints" / "deeplabv3_mnv2_pascal_trainval"
    graph_def = tf.compat.v1.GraphDef.FromString(
        (folder / "frozen_inference_graph.pb").read_bytes()
    )
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as session:
        tf.import_graph_def(graph_def, name="")
        return {
            photo.stem: session.run(
                "SemanticPredictions:0",
                {"ImageTensor:0": np.asarray(Image.open(photo).convert("RGB"))[None]},
            )[0].astype(np.uint8)
            for photo in voc_photos
        }


@pytest.mark.slow
def test_the_output_is_committed_and_complete(segmented: Path, shared: Path) -> None:
    manifest = Manifest.from_json((segmented / "manifest.json").read_bytes())
    run = json.loads((segmented / "run.json").read_bytes())
    assert manifest.counts["inputs"] == manifest.counts["masks"] == 22
    assert manifest.counts["failures"] == 0
    assert manifest.fingerprint == run["fingerprint"]
    assert run["options"]["canvas"] == [513, 513]
    assert run["options"]["output_stride"] == 16
    files = {str(path.relative_to(segmented)) for path in segmented.rglob("*") if path.is_file()}
    parts = pq.read_table(segmented / manifest.parts.file).column("path").to_pylist()
    tables = {"class_areas/part-00000.parquet", "images/part-00000.parquet"}
    assert {path for paths in manifest.tables.values() for path in paths} == tables
    assert files == {*parts, *tables, "failures/none.parquet", "parts.parquet", "README.md"} | {
        "run.json",
        "manifest.json",
    }


def test_masks_are_the_official_graph_s_at_the_photo_s_size(
    segmented: Path, official_masks: Mapping[str, Labels]
) -> None:
    masks = masks_of(segmented)
    assert masks.keys() == official_masks.keys()
    differing = 0
    for name, official in official_masks.items():
        assert masks[name].shape == official.shape
        differing += int((masks[name] != official).sum())
    pixels = sum(official.size for official in official_masks.values())
    # float32 sums in another order: a handful of the 4 million pixels are ties.
    assert differing / pixels < 1e-5, f"{differing} of {pixels} pixels"


@pytest.mark.slow
def test_the_default_canvas_spares_padding_and_changes_few_labels(
    segmented: Path, shared: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    done = run_program(_arguments(shared, output, photos=SOME))
    assert done.returncode == 0, done.stderr
    assert json.loads((output / "run.json").read_bytes())["options"]["canvas_buckets"] is True
    masks, official = masks_of(output), masks_of(segmented)
    assert len(masks) == 5
    equal = sum(int((mask == official[name]).sum()) for name, mask in masks.items())
    assert 0.98 < equal / sum(mask.size for mask in masks.values()) < 1


def test_areas_are_exactly_the_counts_of_the_masks(segmented: Path) -> None:
    areas = rows_of(segmented, "class_areas")
    for name, mask in masks_of(segmented).items():
        rows = [row for row in areas if Path(row["image_uri"]).stem == name]
        counts = np.bincount(mask.ravel())
        assert {row["class_id"]: row["pixels"] for row in rows} == {
            label: count for label, count in enumerate(counts) if count
        }
        assert sum(row["fraction"] for row in rows) == pytest.approx(1)
        assert all(1 / 21 < row["mean_confidence"] <= 1 for row in rows)


def test_duckdb_reads_the_output(segmented: Path) -> None:
    (row,) = duckdb.sql(
        f"""
        select count(distinct image_uri), sum(pixels), sum(width * height)
        from '{segmented}/class_areas/*.parquet' join (
            select image_uri, width, height from '{segmented}/masks/*.parquet'
        ) using (image_uri)
        where class_name = 'background'
        """
    ).fetchall()
    assert row[0] == 22
    assert 0 < row[1] < row[2]


def test_hugging_face_datasets_decodes_the_masks(
    segmented: Path, official_masks: Mapping[str, Labels], tmp_path: Path
) -> None:
    import datasets

    files = [str(path) for path in sorted(segmented.glob("masks/*.parquet"))]
    loaded = datasets.load_dataset(
        "parquet", data_files=files, split="train", cache_dir=str(tmp_path)
    )
    assert isinstance(loaded.features["mask"], datasets.Image)
    assert len(loaded) == 22
    first = loaded[0]
    assert first["mask"].mode == "P"
    assert first["mask"].size == (first["width"], first["height"])


def test_a_second_run_into_the_same_output_is_refused(segmented: Path, shared: Path) -> None:
    before = (segmented / "manifest.json").read_bytes()
    done = run_program(_arguments(shared, segmented, *OFFICIAL))
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "committed run" in done.stderr
    assert (segmented / "manifest.json").read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags",
    [
        ["--runner=DirectRunner"],
        ["--direct_num_workers=2", "--shard_size=2"],
        ["--direct_num_workers=2", "--direct_running_mode=multi_processing"],
        ["--runner=PortableRunner", "--job_endpoint=embed", "--environment_type=LOOPBACK"],
    ],
    ids=["DirectRunner", "two-threads", "two-processes", "portable-loopback"],
)
def test_every_runner_gives_the_same_rows(
    flags: list[str], segmented: Path, shared: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    done = run_program(_arguments(shared, output, *OFFICIAL, *flags, photos=SOME))
    assert done.returncode == 0, done.stderr
    assert (output / "manifest.json").exists()
    for dataset in ("masks", "class_areas"):
        rows = rows_of(output, dataset)
        images = {row["image_uri"] for row in rows}
        assert len(images) == 5
        assert rows == [row for row in rows_of(segmented, dataset) if row["image_uri"] in images]


@pytest.mark.slow
def test_output_stride_8_and_another_canvas(
    shared: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    flags = ["--output_stride=8", "--canvas", "257", "257", "--quiet"]
    arguments = _arguments(shared, tmp_path / "out", *flags, photos="2008_00[27]*.jpg")
    assert main(arguments) == 0
    assert capfd.readouterr().out == ""
    options = json.loads((tmp_path / "out" / "run.json").read_bytes())["options"]
    assert (options["canvas"], options["output_stride"]) == ([257, 257], 8)
    assert len(masks_of(tmp_path / "out")) == 3


_MEASURE = """
import resource, sys
from beam_deeplab.pipeline.cli import main
code = main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, file=sys.stderr)
sys.exit(code)
"""


def _peak_megabytes(arguments: list[str]) -> int:
    command = [sys.executable, "-c", _MEASURE, *arguments, "--quiet", "--verbose"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stderr.strip().splitlines()[-1])


@pytest.fixture
def small_photos(tmp_path: Path, voc_photos: list[Path]) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    with Image.open(voc_photos[0]) as photo:
        photo.resize((160, 120)).save(folder / "0000.jpg")
    for number in range(1, 2000):
        os.link(folder / "0000.jpg", folder / f"{number:04}.jpg")
    return folder


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_photos(small_photos: Path, tmp_path: Path) -> None:
    """A shard of decoded 160 x 120 pictures is 3.7 MB, all 2,000 are 115 MB."""
    common = ["--model", "emoji_scenes", "--canvas", "129", "161"]

    def peak(pattern: str, output: str) -> int:
        photos = str(small_photos / pattern)
        return _peak_megabytes(
            ["segment", "--input", photos, "--output", str(tmp_path / output), *common]
        )

    few, many = peak("0[01]*.jpg", "few"), peak("*.jpg", "many")
    assert many - few < 150, f"{few} MB for 200 photos, {many} MB for 2,000"
