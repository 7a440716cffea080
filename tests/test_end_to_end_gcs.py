"""The whole job in object storage: photos, model and output; and as far as Dataflow's template."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from apache_beam.portability.api import beam_runner_api_pb2
from PIL import Image

from beam_deeplab.pipeline.cli import main
from tests.gcs_emulator import Gcs
from tests.test_end_to_end import masks_of

pytest_plugins = ("tests.gcs_emulator",)


@pytest.fixture
def bucket(gcs_service_account: Gcs, voc_photos: list[Path], mobilenet_checkpoint: Path) -> Gcs:
    """Three photos, a text that is none, and the official checkpoint."""
    for photo in voc_photos[:3]:
        gcs_service_account.put(f"photos/{photo.name}", photo.read_bytes())
    gcs_service_account.put("photos/deep/er/note.jpg", b"no photo")
    for file in mobilenet_checkpoint.glob("model.ckpt*"):
        gcs_service_account.put(f"model/{file.name}", file.read_bytes())
    return gcs_service_account


@pytest.mark.slow
def test_a_run_in_object_storage_equals_a_local_one(
    bucket: Gcs, voc_photos: list[Path], mobilenet_checkpoint: Path, tmp_path: Path
) -> None:
    common = ["--quiet", "--max_failure_fraction=1", "--canvas", "129", "129"]
    remote = ["segment", "--input", bucket.uri("photos/**"), "--output", bucket.uri("out")]
    assert main([*remote, "--model", bucket.uri("model"), *common]) == 0
    photos = [str(photo) for photo in voc_photos[:3]]
    local = ["segment", "--input", *photos, "--output", str(tmp_path / "out")]
    assert main([*local, "--model", str(mobilenet_checkpoint), *common]) == 0

    manifest = json.loads(bucket.get("out/manifest.json") or b"")
    assert manifest["counts"]["total_masks"] == 3
    assert manifest["failures_by_code"] == {"UNSUPPORTED_FORMAT": 1}
    masks = {}
    listed = bucket.get(f"out/{manifest['parts']['file']}") or b""
    for part in pq.read_table(io.BytesIO(listed)).to_pylist():
        content = bucket.get(f"out/{part['path']}")
        assert content is not None
        assert len(content) == part["size"]
        if part["path"].startswith("masks/"):
            for row in pq.read_table(io.BytesIO(content)).to_pylist():
                assert row["image_version"].isdigit()
                masks[Path(row["image_uri"]).stem] = Image.open(io.BytesIO(row["mask"]["bytes"]))
    for name, expected in masks_of(tmp_path / "out").items():
        np.testing.assert_array_equal(np.asarray(masks.pop(name)), expected)
    assert not masks

    resumed = [*remote, "--model", bucket.uri("model"), *common, "--resume"]
    bucket.put("photos/deep/er/note.jpg", voc_photos[3].read_bytes())
    assert main(resumed) == 0
    counts = json.loads(bucket.get("out/manifest.json") or b"")["counts"]
    assert (counts["skipped"], counts["planned"], counts["total_masks"]) == (3, 1, 4)


@pytest.mark.slow
def test_an_evaluation_in_object_storage_equals_a_local_one(
    bucket: Gcs, shared: Path, mobilenet_checkpoint: Path, tmp_path: Path
) -> None:
    truths = shared / "voc" / "SegmentationClassAug"
    names = [Path(uri).stem for uri in ("2008_002176", "2008_002932", "2008_004203")]
    for name in names:
        bucket.put(f"truth/{name}.png", (truths / f"{name}.png").read_bytes())
    common = ["--quiet", "--canvas", "129", "129"]
    remote = ["--input", bucket.uri("photos/*.jpg"), "--truth", bucket.uri("truth/*")]
    output = ["--output", bucket.uri("report"), "--model", bucket.uri("model")]
    assert main(["evaluate", *remote, *output, *common]) == 0

    photos = [str(shared / "voc" / "JPEGImages" / f"{name}.jpg") for name in names]
    local = ["--input", *photos, "--truth", *(str(truths / f"{name}.png") for name in names)]
    output = ["--output", str(tmp_path / "out"), "--model", str(mobilenet_checkpoint)]
    assert main(["evaluate", *local, *output, *common]) == 0
    found, expected = (
        json.loads(content)
        for content in (
            bucket.get("report/metrics.json") or b"",
            (tmp_path / "out" / "metrics.json").read_bytes(),
        )
    )
    assert found["images"] == 3
    for name in ("miou", "iou", "boundary_iou_by_class", "pixels", "pixel_accuracy"):
        assert found[name] == expected[name]
    assert bucket.get("report/confusion.png") == (tmp_path / "out" / "confusion.png").read_bytes()
    (row, *_) = pq.read_table(io.BytesIO(bucket.get("report/scores.parquet") or b"")).to_pylist()
    assert row["image_uri"].startswith(bucket.uri("photos/"))
    assert row["truth_version"].isdigit()


def test_a_dataflow_template_is_the_whole_job_with_its_hints(bucket: Gcs) -> None:
    """Submitted as far as that goes without Dataflow: the job that it would run is in storage."""
    template = bucket.uri("template.json")
    arguments = [
        *("segment", "--input", bucket.uri("photos/**"), "--output", bucket.uri("flow")),
        *("--model", bucket.uri("model"), "--runner=DataflowRunner", "--project=test-project"),
        *("--region=europe-west4", f"--temp_location={bucket.uri('tmp')}"),
        *(f"--staging_location={bucket.uri('staging')}", f"--template_location={template}"),
        *("--accelerator=type:nvidia-tesla-t4;count:1", "--min_ram_per_worker=16GB", "--quiet"),
        *("--experiments=no_use_multiple_sdk_containers", "--sdk_location=container"),
    ]
    assert main(arguments) == 0
    job = json.loads(bucket.get("template.json") or b"")
    url = job["environment"]["sdkPipelineOptions"]["options"]["pipelineUrl"]
    staged = bucket.get(url.removeprefix(bucket.uri("")).lstrip("/"))
    assert staged is not None
    components = beam_runner_api_pb2.Pipeline.FromString(staged).components
    hints = {
        transform.unique_name: {
            urn.rpartition(":resources:")[2]: value
            for urn, value in components.environments[
                transform.environment_id
            ].resource_hints.items()
        }
        for transform in components.transforms.values()
        if transform.environment_id
    }
    work = {"accelerator:v1": b"type:nvidia-tesla-t4;count:1", "min_ram_bytes:v1": b"16000000000"}
    for step in ("Read", "SegmentEncoded/Decode", "SegmentEncoded/Mask"):
        assert hints[f"SegmentShards/{step}"] == work
    assert not any(value for name, value in hints.items() if name.startswith("CommitRun"))
    assert any(name.startswith("CommitRun/Commit") for name in hints)
    assert bucket.get("flow/run.json")
    assert not bucket.get("flow/manifest.json")
