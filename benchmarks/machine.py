"""What the figures were measured on: machine, versions, commit. No path of the machine."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from beam_deeplab.deeplab.engines import available_cores
from benchmarks.measurement import Row

_ROOT = Path(__file__).resolve().parent.parent
_PACKAGES = (
    "apache-beam",
    "jax",
    "keras",
    "numpy",
    "opencv-python-headless",
    "openvino",
    "pillow",
    "simplejpeg",
    "tensorflow",
    "zlib-ng",
)
_TELLING_CPU_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")


def describe_machine() -> Row:
    """CPU, cores that may be used, memory in GiB, GPU."""
    pages, page = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": _cpu_fact("model name") or platform.processor() or platform.machine(),
        "cpu_features": " ".join(
            flag for flag in _TELLING_CPU_FLAGS if flag in _cpu_fact("flags").split()
        ),
        "cores": available_cores(),
        "memory_gib": round(pages * page / 2**30, 1),
        "gpu": gpu_name(),
    }


def describe_versions() -> dict[str, str]:
    """Python and the packages that decide speed, those that are installed."""
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def describe_commit(results: Path) -> tuple[str | None, bool]:
    """The commit that is checked out, and whether the tree differs from it.

    Args:
        results: The file that benchmarks write, which does not count.

    Returns:
        The hash, None outside a repository; and whether anything else is changed or not tracked.
    """
    commit = _git("rev-parse", "HEAD")
    if not commit:
        return None, True
    relative = results.resolve().relative_to(_ROOT)
    return commit, bool(_git("status", "--porcelain", "--", ".", f":!{relative}"))


def has_precision(precision: str) -> bool:
    """Whether OpenVINO computes in a precision on this CPU."""
    from beam_deeplab.deeplab.engines import EngineChoice, EngineError, check_engine

    try:
        check_engine(EngineChoice("openvino", precision))
    except EngineError:
        return False
    return True


def gpu_name() -> str | None:
    """The first NVIDIA GPU of this machine."""
    if shutil.which("nvidia-smi") is None:
        return None
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines() if done.returncode == 0 else []
    return lines[0].strip() if lines else None


def _cpu_fact(name: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    values = (line.partition(":") for line in lines)
    return next((value.strip() for key, _, value in values if key.strip() == name), "")


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(_ROOT), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
