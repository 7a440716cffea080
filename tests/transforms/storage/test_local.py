"""Local files: nothing half-written is ever seen, and errors keep their kind."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.storage import local as local_storage
from tests.unprivileged import as_nobody, open_folder

OLD = b"old" * 1000
NEW = b"new" * 2000


def run_python(code: str, *arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Runs code in a process of its own."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload, no-any-return] # options are subprocess.run's


DIE_AT_STEP = """
import os, signal, sys
from pathlib import Path
from beam_deeplab.transforms.storage import local as local_storage
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
from beam_deeplab.transforms import storage
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
from beam_deeplab.transforms import storage
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
from beam_deeplab.transforms import storage
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


def test_permissions_are_told() -> None:
    with open_folder() as folder, as_nobody():
        if os.geteuid():
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
