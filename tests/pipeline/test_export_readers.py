"""The tools themselves read exports, pixel for pixel: of VOC's truth and of 200 scenes'.

datumaro wants another OpenCV than ours, so tools run in an environment of their own.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from beam_deeplab.deeplab.labels import LABEL_SETS, VOC
from beam_deeplab.pipeline.cli import main
from tests.exported_runs import Labels, write_run
from tests.pipeline import export_readers

FORMATS = {
    "png": ["--format=png", "--palette"],
    "grey": ["--format=png"],
    "cvat": ["--format=cvat"],
    "cvat-instances": ["--format=cvat", "--instances"],
    "coco": ["--format=coco", "--panoptic"],
    "instances": ["--format=coco", "--instances", "--panoptic"],
}
READ_BY = [
    ("png", "datumaro-voc"),
    ("cvat", "datumaro-voc"),
    ("cvat-instances", "datumaro-voc"),
    *[
        (form, reader)
        for form in ("coco", "instances")
        for reader in ("datumaro-coco", "datumaro-panoptic", "supervision")
    ],
]


def _in_own_environment(*command: str) -> subprocess.CompletedProcess[str]:
    uv = (sys.executable, "-m", "uv", "run", "--no-project", "--python", sys.executable)
    tools = ("--with", "datumaro", "--with", "supervision")
    return subprocess.run(
        [*uv, *tools, "python", *command], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="session")
def tools() -> None:
    done = _in_own_environment("-c", "import datumaro, supervision")
    if done.returncode:
        pytest.skip(f"datumaro and supervision cannot be fetched: {done.stderr[-200:]}")


def _export(folder: Path, images: Path, pairs: dict[str, Labels], labels: str) -> Path:
    """All exports of a run of these images, and what they should hold."""
    write_run(folder / "run", pairs, LABEL_SETS[labels], shard_size=50)
    for name, flags in FORMATS.items():
        output = folder / name
        assert main(["export", str(folder / "run"), "--output", str(output), *flags]) == 0
        (output / "images").symlink_to(images)  # where datumaro looks for them
    (folder / "truth").mkdir()
    for path, pixels in pairs.items():
        Image.fromarray(pixels).save(folder / "truth" / f"{Path(path).stem}.png")
    return folder


@pytest.fixture(scope="module")
def voc(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    images = shared / "voc" / "JPEGImages"
    truths = sorted((shared / "voc" / "SegmentationClassAug").glob("*.png"))
    pairs = {f"{path.stem}.jpg": np.asarray(Image.open(path)) for path in truths}
    return _export(tmp_path_factory.mktemp("voc"), images, pairs, "voc"), images


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("scenes")
    images, truth = folder / "images", folder / "made"
    flags = ["--output", str(images), "--truth", str(truth), "--size", "64", "128"]
    assert main(["demo-data", "--count=200", *flags]) == 0
    pairs = {
        path.name: np.asarray(Image.open(truth / f"{path.stem}.png"))
        for path in sorted(images.iterdir())
    }
    return _export(folder, images, pairs, "scenes"), images


def _assert_read(
    export: str, reader: str, collection: tuple[Path, Path], names: Sequence[str], count: int
) -> None:
    folder, images = collection
    paths = (str(each) for each in (folder / export, images, folder / "truth"))
    done = _in_own_environment(export_readers.__file__, reader, *paths, ",".join(names))
    assert (done.returncode, done.stdout.split()[-1:]) == (0, [str(count)]), done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("export", "reader"), READ_BY)
@pytest.mark.usefixtures("tools")
def test_the_truth_of_voc(export: str, reader: str, voc: tuple[Path, Path]) -> None:
    _assert_read(export, reader, voc, VOC.names, 22)


@pytest.mark.slow
@pytest.mark.parametrize(("export", "reader"), READ_BY)
@pytest.mark.usefixtures("tools")
def test_the_truth_of_scenes(export: str, reader: str, scenes: tuple[Path, Path]) -> None:
    _assert_read(export, reader, scenes, LABEL_SETS["scenes"].names, 200)


@pytest.mark.slow
def test_tensorflow_reads_greys(voc: tuple[Path, Path]) -> None:
    import tensorflow as tf

    folder, _ = voc
    files = sorted((folder / "grey" / "SegmentationClass").glob("*.png"))
    assert len(files) == 22
    for file in files:
        read = tf.io.decode_png(file.read_bytes(), channels=1).numpy()[:, :, 0]
        truth = np.asarray(Image.open(folder / "truth" / file.name))
        np.testing.assert_array_equal(read, truth)
