"""Storage: nothing half-written is ever seen, one creator wins, and errors keep their kind."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.gcs_emulator import Fault, Gcs
from transforms import local_storage, storage
from transforms.storage import StoredFile

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


def run_python(code: str, *arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Runs code in a process of its own."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload, no-any-return] # options are subprocess.run's


# One contract, both storages


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


# Local: crashes and races

DIE_AT_STEP = """
import os, signal, sys
from pathlib import Path
from transforms import local_storage
operation, path, fatal = sys.argv[1], sys.argv[2], int(sys.argv[3])
steps = 0
def step(event, arguments):
    global steps
    if event in ("open", "os.rename", "os.link", "os.remove", "os.mkdir", "os.scandir"):
        if any(isinstance(each, (str, Path)) and "out" in str(each) for each in arguments):
            steps += 1
            if steps == fatal:
                os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(step)
getattr(local_storage, operation)(path, b"new" * 2000)
print(steps)
"""


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    operation=st.sampled_from(["write_atomically", "create_if_absent"]),
    there_before=st.booleans(),
    fatal=st.integers(1, 7),
)
def test_a_killed_writer_leaves_the_old_file_or_the_new(
    operation: str, there_before: bool, fatal: int
) -> None:
    with tempfile.TemporaryDirectory() as parent:
        path = Path(parent) / "out" / "run.json"
        if there_before:
            path.parent.mkdir()
            path.write_bytes(OLD)
        done = run_python(DIE_AT_STEP, operation, str(path), str(fatal))
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        visible = (
            [each for each in path.parent.iterdir() if not each.name.startswith(".")]
            if path.parent.exists()
            else []
        )
        if there_before:
            assert visible == [path]
            allowed = (OLD,) if operation == "create_if_absent" else (OLD, NEW)
            assert path.read_bytes() in allowed
        else:
            assert visible in ([], [path])
            assert not visible or path.read_bytes() == NEW
        leftovers = [each.name for each in path.parent.glob(".*")]
        assert all(map(local_storage.is_temporary_name, leftovers))
        # And whatever the crash left, the next writer succeeds.
        storage.write_atomically(str(path), NEW)
        assert path.read_bytes() == NEW


def test_the_crash_points_are_real(tmp_path: Path) -> None:
    path = tmp_path / "out" / "run.json"
    for operation, syscall_of_publishing in (("write_atomically", 3), ("create_if_absent", 3)):
        before = run_python(DIE_AT_STEP, operation, str(path), str(syscall_of_publishing))
        assert before.returncode == -signal.SIGKILL
        assert [each.name.startswith(".") for each in path.parent.iterdir()] == [True]
        shutil.rmtree(path.parent)
        complete = run_python(DIE_AT_STEP, operation, str(path), "99")
        assert int(complete.stdout) >= 4
        shutil.rmtree(path.parent)


def test_a_writer_killed_in_the_middle_of_its_bytes_shows_nothing(tmp_path: Path) -> None:
    code = """
import resource, signal, sys
from transforms import storage
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
storage.write_atomically(sys.argv[1], b"x" * 100_000)
"""
    done = run_python(code, str(tmp_path / "part"))
    assert done.returncode == -signal.SIGXFSZ
    (leftover,) = tmp_path.iterdir()
    assert local_storage.is_temporary_name(leftover.name)
    assert 0 < leftover.stat().st_size < 100_000


@pytest.mark.parametrize("operation", ["write_atomically", "create_if_absent"])
def test_too_large_a_file_keeps_its_errno_and_cleans_up(operation: str, tmp_path: Path) -> None:
    code = """
import resource, sys
from transforms import storage
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    getattr(storage, sys.argv[1])(sys.argv[2], b"x" * 100_000)
except OSError as error:
    print(error.errno, storage.describe(error))
"""
    (tmp_path / "part").write_bytes(OLD)
    name = "part" if operation == "write_atomically" else "other"
    done = run_python(code, operation, str(tmp_path / name))
    assert done.stdout == f"{errno.EFBIG} {tmp_path / name}: File too large\n"
    assert [each.name for each in tmp_path.iterdir()] == ["part"]
    assert (tmp_path / "part").read_bytes() == OLD


def test_a_full_disk_is_enospc_and_cleans_up(tmp_path: Path) -> None:
    code = """
import os, sys
from transforms import storage
folder = sys.argv[1]
try:
    storage.write_atomically(f"{folder}/out/part", b"x" * 200_000)
except OSError as error:
    print(error.errno, storage.describe(error), os.listdir(f"{folder}/out"))
open(f"{folder}/fill", "wb", buffering=0).write(b"x" * 200_000)
try:
    storage.check_writable(folder)
except OSError as error:
    print(error.errno)
"""
    mount = 'mount -t tmpfs -o size=64k none "$0" 2>/dev/null || exit 77; exec "$@"'
    inside = [str(tmp_path), sys.executable, "-c", code, str(tmp_path)]
    unshare = ["unshare", "--mount", "--map-root-user", "sh", "-c", mount, *inside]
    if not shutil.which("unshare"):
        pytest.skip("needs unshare to mount a small tmpfs")
    done = subprocess.run(unshare, capture_output=True, text=True, check=False)
    if done.returncode in (1, 77) and "Traceback" not in done.stderr:
        pytest.skip("this machine lets nobody mount a small tmpfs")
    assert done.stdout.splitlines() == [
        f"{errno.ENOSPC} {tmp_path}/out/part: No space left on device []",
        str(errno.ENOSPC),
    ], done.stderr


RACE = """
import sys
from transforms import storage
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


def test_a_file_system_without_hard_links_still_has_one_creator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    path = str(tmp_path / "run.json")
    with ThreadPoolExecutor(8) as pool:
        wins = list(pool.map(lambda _: storage.create_if_absent(path, OLD), range(8)))
    assert sum(wins) == 1
    assert [each.name for each in tmp_path.iterdir()] == ["run.json"]
    assert storage.read(path) == OLD


# Local: errors


@contextlib.contextmanager
def as_nobody() -> Iterator[Path]:
    """A folder, and file permissions that count even where root runs the tests."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        if os.geteuid():
            yield Path(folder)
            return
        os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            os.seteuid(0)


def test_permissions_are_told() -> None:
    with as_nobody() as folder:
        if os.access(folder, os.W_OK, effective_ids=True):
            folder.chmod(0o555)
        for operation in (
            lambda: storage.write_atomically(f"{folder}/part", OLD),
            lambda: storage.create_if_absent(f"{folder}/part", OLD),
            lambda: storage.check_writable(f"{folder}/out"),
        ):
            with pytest.raises(PermissionError) as caught:
                operation()
            assert storage.describe(caught.value).endswith(": Permission denied")
            assert ".tmp" not in storage.describe(caught.value)


def test_a_file_in_the_place_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(OLD)
    with pytest.raises(NotADirectoryError, match="not a folder"):
        storage.check_writable(str(tmp_path / "out" / "run"))
    with pytest.raises(OSError, match="out"):
        storage.write_atomically(str(tmp_path / "out" / "part"), NEW)
    with pytest.raises(NotADirectoryError):
        storage.list_folder(str(tmp_path / "out"))


def test_a_folder_in_the_place_of_a_file_stays(tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    with pytest.raises(IsADirectoryError):
        storage.write_atomically(str(tmp_path / "part"), NEW)
    assert [each.name for each in tmp_path.iterdir()] == ["part"]
    assert not storage.exists(str(tmp_path / "part"))


def test_files_get_the_usual_permissions(tmp_path: Path) -> None:
    storage.write_atomically(str(tmp_path / "ours"), OLD)
    (tmp_path / "plain").write_bytes(OLD)
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_names_that_are_not_utf8_have_a_uri(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9 %20.jpg")
    Path(path).write_bytes(OLD)
    uri = local_storage.local_uri(path)
    uri.encode()
    assert storage.read(uri) == OLD
    assert local_storage.local_uri(str(tmp_path)) == str(tmp_path)


# gs://


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
from transforms import storage
for _ in range(2):
    try:
        storage.read("gs://bucket/object")
    except storage.CredentialsError as error:
        print(storage.describe(error))
"""
    # Without this a search for the metadata server of a Google machine takes 20 s.
    environment = {"NO_GCE_CHECK": "true", "HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    environment["PYTHONPATH"] = str(Path(storage.__file__).parents[1])
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


# Other schemes


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that Beam knows as ``vault://``, as a plug-in would register it."""
    from apache_beam.io.filesystem import FileMetadata
    from apache_beam.io.localfilesystem import LocalFileSystem

    root = tmp_path_factory.mktemp("vault")

    class VaultFileSystem(LocalFileSystem):
        @classmethod
        def scheme(cls) -> str:
            return "vault"

        def _local(self, uri: str) -> str:
            return str(root / uri.removeprefix("vault://"))

        def has_dirs(self) -> bool:
            return False

        def _list(self, uri: str) -> Iterator[FileMetadata]:
            folder = uri if uri.endswith("/") else f"{uri}/"
            for found in super()._list(self._local(folder)):
                yield self.metadata(f"vault://{found.path.removeprefix(f'{root}/')}")

        def metadata(self, uri: str) -> FileMetadata:
            found = super().metadata(self._local(uri))
            return FileMetadata(uri, found.size_in_bytes, found.last_updated_in_seconds)

        def _path_open(self, uri: str, *arguments: object, **options: object) -> object:
            return super()._path_open(self._local(uri), *arguments, **options)

        def exists(self, uri: str) -> bool:
            return bool(super().exists(self._local(uri)))

    root.joinpath("photos").mkdir()
    yield root
    del VaultFileSystem  # until here: plug-ins are found for as long as they live


def test_other_schemes_can_be_read(vault: Path) -> None:
    (vault / "photos" / "a.jpg").write_bytes(OLD)
    uri = "vault://photos/a.jpg"
    assert storage.read(uri) == OLD
    assert storage.exists(uri)
    assert storage.list_folder("vault://photos") == [StoredFile("a.jpg", len(OLD))]
    (version,) = storage.versions([uri])
    assert storage.read_version(uri, version) == (OLD, version)
    (vault / "photos" / "a.jpg").write_bytes(NEW)
    with pytest.raises(storage.ChangedError):
        storage.read_version(uri, version)
    with pytest.raises(FileNotFoundError):
        storage.read("vault://photos/missing.jpg")
    assert storage.versions(["vault://photos/missing.jpg"]) == [""]


def test_other_schemes_say_why_they_cannot_be_written(vault: Path) -> None:
    for operation in (
        lambda: storage.write_atomically("vault://out/part", OLD),
        lambda: storage.create_if_absent("vault://out/part", OLD),
        lambda: storage.check_writable("vault://out"),
        lambda: storage.delete("vault://out/part"),
    ):
        with pytest.raises(OSError, match="must be gs:// or a local folder") as caught:
            operation()
        assert caught.value.errno == errno.EOPNOTSUPP


def test_an_unknown_scheme_is_told() -> None:
    with pytest.raises(OSError, match="Beam has no file system for ftp://"):
        storage.read("ftp://host/a.jpg")
