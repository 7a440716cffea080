"""A worker's image without Docker: what the install script makes runs by Beam's boot program.

Once in an environment, and once in a root file system of Debian's tools, where these are. Neither
holds TensorFlow, nor sees this tree, the launcher's cache or the model: that travels.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from beam_deeplab.pipeline.cli import main
from tests.engines.fetching import FetchError, boot, prism
from tests.engines.flink import flink_cluster
from tests.faults.conftest import write_picture
from tests.small_models import write_small_checkpoint

pytestmark = pytest.mark.engines

ROOT = Path(__file__).parents[2]
_PRODUCT = ("beam_deeplab", "deeplab", "docker", "pipeline", "scenes", "transforms")
_FILES = ("LICENSE", "MANIFEST.in", "README.md", "pyproject.toml", "setup.py")
_PREFIX = "opt/beam-deeplab"


def _install(folder: Path, *inside: str) -> None:
    """Runs the images' script and their smoke test.

    Args:
        folder: The root of the image's files; ``inside`` is run there.
        inside: What comes before the command, such as ``chroot``.
    """
    source = folder / "source"
    source.mkdir()
    for name in _PRODUCT:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=ignored)
    for name in _FILES:
        shutil.copy(ROOT / name, source / name)
    root = "/" if inside else f"{folder}/"
    (folder / "opt").mkdir(exist_ok=True)
    variables = {**os.environ, "BEAM_DEEPLAB_CACHE": f"{root}tmp/cache"}
    variables.pop("PYTHONPATH", None)
    for command in (
        ["sh", f"{root}source/docker/install.sh", "worker", f"{root}{_PREFIX}", f"{root}source"],
        [f"{root}{_PREFIX}/bin/python", f"{root}source/docker/smoke.py", "worker"],
    ):
        subprocess.run([*inside, *command], env=variables, check=True)
    shutil.rmtree(source)


def _write_command(file: Path, run: str, folder: Path) -> Path:
    """A process command for Beam's runners; Prism quotes what it gives it, as if for a shell."""
    file.write_text(
        "#!/bin/sh\n"
        "unset PYTHONPATH\n"
        'for word in "$@"; do shift; set -- "$@" "$(printf %s "$word" | tr -d "\'")"; done\n'
        f"export RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1 BEAM_DEEPLAB_CACHE={folder}/cache\n"
        f'{run} --semi_persist_dir={folder}/$$ "$@"\n'
    )
    file.chmod(0o755)
    return file


@pytest.fixture(scope="module", params=["environment", "root file system"])
def worker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command that starts a worker."""
    try:
        boot_program = boot()
    except FetchError as error:
        pytest.skip(str(error))
    image = tmp_path_factory.mktemp("image")
    shared = tmp_path_factory.getbasetemp()
    command = image.with_name(f"{image.name}.sh")
    folder = tmp_path_factory.mktemp("worker")
    if request.param == "environment":
        _install(image)
        path = f"export PATH={image}/{_PREFIX}/bin:/usr/bin:/bin\n"
        return _write_command(command, f"{path}exec {boot_program}", folder)
    if shutil.which("debootstrap") is None or os.geteuid() != 0:
        pytest.skip("a root file system takes debootstrap, and root")
    wanted = "--include=python3,python3-venv,ca-certificates"
    subprocess.run(
        ["debootstrap", "--variant=minbase", wanted, "bookworm", str(image)],
        stdout=subprocess.DEVNULL,
        check=True,
    )
    for name in ("resolv.conf", "hosts", "pip.conf", "ssl/certs/ca-certificates.crt"):
        if Path("/etc", name).exists():
            shutil.copy(Path("/etc", name), image / "etc" / name)
    _install(image, "chroot", str(image))
    shutil.copy(boot_program, image / "opt" / "boot")
    inside = image / str(shared).lstrip("/")
    inside.mkdir(parents=True)
    run = (
        f"export PATH=/{_PREFIX}/bin:/usr/bin:/bin\n"
        f"exec /usr/bin/unshare --mount sh -c 'mount --bind {shared} {inside} && "
        f"mount -t proc proc {image}/proc && mount --bind /dev {image}/dev && "
        f'exec /usr/sbin/chroot {image} /opt/boot "$@"\' boot'
    )
    return _write_command(command, run, folder)


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("job")
    for number in range(6):
        write_picture(folder / "photos" / f"{number}.png", number)
    model = write_small_checkpoint(folder / "model")
    flags = [f"--input={folder / 'photos'}", f"--model={model}", "--canvas=49 65", "--quiet"]
    assert main(["segment", *flags, f"--output={folder / 'here'}"]) == 0
    return [*flags, f"--expected={folder / 'here'}"]


def _rows(output: Path) -> list[dict[str, object]]:
    rows = pq.read_table(output / "masks").to_pylist()
    for row in rows:
        del row["shard"]
    return sorted(rows, key=lambda row: str(row["image_uri"]))


def _check(job: Sequence[str], worker: Path, output: Path, *flags: str) -> None:
    *asked, expected = job
    told = [f"--output={output}", "--shared_paths", *flags, "--environment_type=PROCESS"]
    command = f"--environment_option=process_command={worker}"
    done = subprocess.run(
        [sys.executable, "-m", "beam_deeplab", "segment", *asked, *told, command],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert _rows(output) == _rows(Path(expected.partition("=")[2]))
    (archive,) = (output / "models").iterdir()
    assert archive.suffix == ".tar"


def test_prism_runs_it(worker: Path, job: list[str], tmp_path: Path) -> None:
    try:
        flags = ["--runner=PrismRunner", f"--prism_location={prism()}"]
    except FetchError as error:
        pytest.skip(str(error))
    _check(job, worker, tmp_path / "out", *flags)


def test_flink_runs_it(worker: Path, job: list[str], tmp_path: Path) -> None:
    try:
        with flink_cluster(tmp_path / "flink") as cluster:
            endpoint = f"--job_endpoint={cluster.job_endpoint}"
            _check(job, worker, tmp_path / "out", "--runner=FlinkRunner", endpoint)
    except FetchError as error:
        pytest.skip(str(error))
