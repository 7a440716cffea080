"""gs://: few requests, retries that know whether they won, and errors in one line."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beam_deeplab.transforms import storage
from tests.gcs_emulator import Fault, Gcs

pytest_plugins = ("tests.gcs_emulator",)

OLD = b"old" * 1000
NEW = b"new" * 2000


def run_python(code: str, *arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Runs code in a process of its own."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload, no-any-return] # options are subprocess.run's


def test_a_write_is_one_request(gcs: Gcs) -> None:
    storage.write_atomically(gcs.uri("part"), NEW)
    assert [each.kind for each in gcs.server.requests] == ["upload"]


def test_a_large_object_is_whole_or_not_there(gcs: Gcs) -> None:
    data = os.urandom(9 << 20)
    storage.write_atomically(gcs.uri("large"), data)
    assert gcs.get("large") == data


@pytest.mark.parametrize("fault", [503, 429, Fault.RESET, Fault.LOST_ANSWER])
def test_writes_are_tried_again(gcs: Gcs, fault: Fault | int) -> None:
    gcs.server.fail("part", fault, fault)
    storage.write_atomically(gcs.uri("part"), NEW)
    assert gcs.get("part") == NEW
    assert gcs.count("upload") == 3


def test_a_creator_whose_answer_is_lost_knows_that_it_won(gcs: Gcs) -> None:
    gcs.server.fail("run.json", Fault.LOST_ANSWER)
    assert storage.create_if_absent(gcs.uri("run.json"), OLD)
    assert gcs.get("run.json") == OLD


def test_a_creator_whose_answer_is_lost_knows_that_it_lost(gcs: Gcs) -> None:
    gcs.put("run.json", OLD)
    gcs.server.fail("run.json", 503)
    assert not storage.create_if_absent(gcs.uri("run.json"), OLD)


def test_a_footer_costs_two_requests_and_few_bytes(gcs: Gcs) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"mask": [os.urandom(2_000_000)]}), sink)
    gcs.put("part.parquet", sink.getvalue())
    with storage.open_seekable(gcs.uri("part.parquet")) as file:
        assert pq.ParquetFile(file).metadata.num_rows == 1
    assert [each.kind for each in gcs.server.requests] == ["metadata", "download"]


def test_a_flipped_byte_of_a_small_part_is_seen(gcs: Gcs) -> None:
    """The service has a sum of the whole object only, so a small one comes whole."""
    sink = io.BytesIO()
    pq.write_table(pa.table({"image_uri": [f"gs://b/{number}.jpg" for number in range(99)]}), sink)
    gcs.put("part.parquet", sink.getvalue())
    # The object's metadata are asked for first.
    gcs.server.fail("part.parquet", None, Fault.CORRUPT_BODY, Fault.SHORT_BODY)
    with storage.open_seekable(gcs.uri("part.parquet")) as file:
        assert file.read() == sink.getvalue()
        file.seek(-8, io.SEEK_END)
        assert file.read(4) == sink.getvalue()[-8:-4]
    assert gcs.count("download") == 3


def test_a_small_file_that_is_replaced_while_open_is_not_mixed(gcs: Gcs) -> None:
    gcs.put("part", b"a" * 1000)
    with storage.open_seekable(gcs.uri("part")) as file:
        assert file.read(1) == b"a"
        gcs.put("part", b"b" * 1000)
        assert file.read() == b"a" * 999


def test_versions_come_with_sizes(gcs: Gcs) -> None:
    generation = gcs.put("a.jpg", OLD)
    uris = [gcs.uri("a.jpg"), gcs.uri("missing.jpg"), "gs:///a.jpg", "gs://-/a.jpg", gcs.uri()]
    found, *others = storage.versions(uris)
    assert found == storage.FileVersion(generation, len(OLD))
    assert others == [storage.FileVersion()] * 4


def test_a_file_that_is_replaced_while_open_is_not_mixed(gcs: Gcs) -> None:
    gcs.put("part", b"a" * 200_000)
    file = storage.open_seekable(gcs.uri("part"))
    assert file.read(1) == b"a"
    gcs.put("part", b"b" * 200_000)
    file.seek(150_000)
    with pytest.raises(FileNotFoundError):
        file.read(1)


def test_a_bucket_that_is_not_there_is_told(gcs: Gcs) -> None:
    for operation in (storage.check_writable, storage.list_folder):
        with pytest.raises(FileNotFoundError) as caught:
            operation("gs://no-such-bucket/out")
        assert "no such object or bucket" in storage.describe(caught.value)


def test_a_refused_write_is_told_and_not_tried_again(gcs: Gcs) -> None:
    gcs.server.fail("part", 403)
    with pytest.raises(PermissionError) as caught:
        storage.write_atomically(gcs.uri("part"), OLD)
    assert storage.describe(caught.value) == f"{gcs.uri('part')}: 403 injected"
    assert gcs.count("upload") == 1


def test_a_service_that_stays_away_is_given_up(gcs: Gcs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEAM_DEEPLAB_RETRY_SECONDS", "0.02")
    gcs.server.fail("part", *[503] * 1000)
    with pytest.raises(OSError, match="503 injected") as caught:
        storage.write_atomically(gcs.uri("part"), OLD)
    assert caught.value.errno == errno.EIO


def test_a_bucket_alone_is_no_object(gcs: Gcs) -> None:
    for uri in (gcs.uri(), "gs:///name"):
        with pytest.raises(OSError, match="names"):
            storage.read(uri)


def test_without_credentials_one_line_says_what_to_do(tmp_path: Path) -> None:
    code = """
from beam_deeplab.transforms import storage
for _ in range(2):
    try:
        storage.read("gs://bucket/object")
    except storage.CredentialsError as error:
        print(storage.describe(error))
"""
    # Without this a search for the metadata server of a Google machine takes 20 s.
    environment = {"NO_GCE_CHECK": "true", "HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    environment["PYTHONPATH"] = str(Path(storage.__file__).parents[2])
    done = run_python(code, env=environment)
    first, second = done.stdout.splitlines()
    assert first == second
    assert "gcloud auth application-default login" in first
    assert "GOOGLE_APPLICATION_CREDENTIALS" in first


def test_beam_reads_what_we_write(gcs_service_account: Gcs) -> None:
    from apache_beam.io.filesystems import FileSystems

    uri = gcs_service_account.uri("out/manifest.json")
    storage.write_atomically(uri, json.dumps({"rows": 3}).encode())
    with FileSystems.open(uri) as file:
        assert json.loads(file.read()) == {"rows": 3}
    (match,) = FileSystems.match([gcs_service_account.uri("out/*")])
    assert [each.path for each in match.metadata_list] == [uri]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["read", "start", "here", "end"]), st.integers(0, 400)),
        max_size=8,
    )
)
def test_a_seekable_file_is_the_file(gcs: Gcs, steps: list[tuple[str, int]]) -> None:
    content = bytes(range(256)) * 2
    gcs.put("file", content)
    ours, theirs = storage.open_seekable(gcs.uri("file")), io.BytesIO(content)
    for step, number in steps:
        if step == "read":
            assert ours.read(number) == theirs.read(number)
        else:
            offset, whence = {
                "start": (number, io.SEEK_SET),
                "here": (min(number, 512 - theirs.tell()), io.SEEK_CUR),
                "end": (-number, io.SEEK_END),
            }[step]
            assert ours.seek(offset, whence) == theirs.seek(offset, whence)
