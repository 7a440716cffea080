"""How many cores this process may use, and what they compute with."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

_CPU_INFO = Path("/proc/cpuinfo")
_INT8_EXTENSIONS = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "amx_int8")
_CGROUP_V2 = Path("/sys/fs/cgroup/cpu.max")
_CGROUP_V1 = Path("/sys/fs/cgroup/cpu")


def available_cores() -> int:
    """Cores that the scheduler and the container give this process, at least 1.

    Threads beyond them only fight: a container that is limited to 2 of 64 cores still sees 64.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    quota = _container_quota()
    return max(1, cores if quota is None else min(cores, math.ceil(quota)))


def vector_instructions() -> str:
    """Which of the extensions that 8-bit networks compute with this CPU has; empty if unknown.

    Sums of 8-bit products saturate on some and not on others, so that answers differ.
    """
    try:
        flags = set(re.findall(r"^flags\s*:(.*)$", _CPU_INFO.read_text(), re.M)[0].split())
    except (OSError, IndexError):
        return ""
    return " ".join(name for name in _INT8_EXTENSIONS if name in flags)


def _container_quota() -> float | None:
    """Cores' worth of time that the control group allows; None if it sets no limit."""
    try:
        if _CGROUP_V2.exists():
            quota, period = _CGROUP_V2.read_text().split()
        else:
            quota = (_CGROUP_V1 / "cpu.cfs_quota_us").read_text().strip()
            period = (_CGROUP_V1 / "cpu.cfs_period_us").read_text().strip()
        limit = float(quota) / float(period)
    except (OSError, ValueError, ZeroDivisionError):  # "max" is no number: no limit
        return None
    return limit if limit > 0 else None
