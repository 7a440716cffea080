"""Storage: one contract, kept locally and in gs://."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.storage import StoredFile
from tests.gcs_emulator import Gcs

pytest_plugins = ("tests.gcs_emulator",)

OLD = b"old" * 1000
NEW = b"new" * 2000


@pytest.fixture(params=["local", "gs"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An output folder that does not exist yet, in each storage."""
    if request.param == "local":
        return str(tmp_path / "out")
    gcs: Gcs = request.getfixturevalue("gcs")
    return gcs.uri("out")


def test_what_is_written_is_read(folder: str) -> None:
    uri = storage.join(folder, "masks", "part-1.parquet")
    assert not storage.exists(uri)
    storage.write_atomically(uri, OLD)
    assert storage.exists(uri)
    assert storage.read(uri) == OLD
    storage.write_atomically(uri, NEW)
    assert storage.read(uri) == NEW


def test_an_empty_file_is_a_file(folder: str) -> None:
    uri = storage.join(folder, "empty")
    storage.write_atomically(uri, b"")
    assert storage.exists(uri)
    assert storage.read(uri) == b""


def test_create_if_absent_leaves_what_is_there(folder: str) -> None:
    uri = storage.join(folder, "run.json")
    assert storage.create_if_absent(uri, OLD)
    assert not storage.create_if_absent(uri, NEW)
    assert storage.read(uri) == OLD


def test_a_folder_lists_its_own_files_with_sizes(folder: str) -> None:
    assert storage.list_folder(folder) == []
    for name in ("b", ".hidden", "a", "below/c"):
        storage.write_atomically(storage.join(folder, name), name.encode())
    expected = [StoredFile(".hidden", 7), StoredFile("a", 1), StoredFile("b", 1)]
    assert storage.list_folder(folder) == expected
    assert storage.list_folder(folder + "/") == expected


def test_all_files_below_a_folder_are_found(folder: str) -> None:
    assert list(storage.files_below(folder)) == []
    expected = {storage.join(folder, name) for name in ("a", "below/.b", "below/deep/c")}
    for uri in (*expected, f"{folder}x/other"):
        storage.write_atomically(uri, b"x")
    assert set(storage.files_below(folder)) == set(storage.files_below(f"{folder}/")) == expected


def test_delete_removes_and_forgives(folder: str) -> None:
    uri = storage.join(folder, "part")
    storage.delete(uri)
    storage.write_atomically(uri, OLD)
    storage.delete(uri)
    storage.delete(uri)
    assert not storage.exists(uri)
    assert storage.list_folder(folder) == []


def test_a_missing_file_is_not_found(folder: str) -> None:
    uri = storage.join(folder, "missing")
    for operation in (storage.read, storage.open_seekable):
        with pytest.raises(FileNotFoundError) as caught:
            operation(uri)
        assert caught.value.filename == uri
        assert storage.describe(caught.value).startswith(f"{uri}: ")
        assert "\n" not in storage.describe(caught.value)


def test_check_writable_leaves_nothing_behind(folder: str) -> None:
    storage.check_writable(folder)
    assert storage.list_folder(folder) == []


def test_check_writable_makes_no_folder(tmp_path: Path) -> None:
    storage.check_writable(str(tmp_path / "a" / "b"))
    assert list(tmp_path.iterdir()) == []


def test_parquet_is_read_in_parts(folder: str) -> None:
    uri = storage.join(folder, "part.parquet")
    table = pa.table({"image_uri": ["a", "b"], "mask": [os.urandom(300_000), os.urandom(300_000)]})
    sink = io.BytesIO()
    pq.write_table(table, sink)
    storage.write_atomically(uri, sink.getvalue())
    with storage.open_seekable(uri) as file:
        parquet = pq.ParquetFile(file)
        assert parquet.metadata.num_rows == 2
        assert parquet.read(columns=["image_uri"]).column(0).to_pylist() == ["a", "b"]
        assert parquet.read().equals(table)


RACE = """
import sys
from beam_deeplab.transforms import storage
me, uris = sys.argv[1], sys.argv[2:]
print("ready", flush=True)
sys.stdin.readline()
for uri in uris:
    print(int(storage.create_if_absent(uri, f"made by {me} ".encode() * 1000)))
"""


def test_of_several_processes_one_creates(folder: str) -> None:
    uris = [storage.join(folder, f"run-{number}.json") for number in range(20)]
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(number), *uris],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    won = [[int(line) for line in racer.communicate()[0].split()] for racer in racers]
    assert all(racer.returncode == 0 for racer in racers)
    for number, uri in enumerate(uris):
        (winner,) = [me for me, wins in enumerate(won) if wins[number]]
        assert storage.read(uri) == f"made by {winner} ".encode() * 1000
    assert len(storage.list_folder(folder)) == 20
