from __future__ import annotations

import pytest

from beam_deeplab.deeplab.engines import available_cores
from beam_deeplab.pipeline.beam_flags import pipeline_options
from beam_deeplab.pipeline.machines import Machines, machines_of


def test_a_local_run_has_this_machine() -> None:
    machines = machines_of(pipeline_options([], workers=3))
    assert machines == Machines(here=True, count=1, cores=available_cores(), threads=3)
    assert machines.workers == 3


@pytest.mark.parametrize(
    ("kind", "cores"),
    [
        ("n1-standard-4", 4),
        ("e2-highcpu-16", 16),
        ("n2-custom-8-16384", 8),
        ("c3-standard-22-lssd", 22),
        ("g2-standard-4", 4),
        ("a2-highgpu-1g", None),
        ("e2-medium", None),
    ],
)
def test_remote_machines_say_their_cores_or_are_like_this_one(kind: str, cores: int | None) -> None:
    flags = ["--runner=DataflowRunner", f"--machine_type={kind}", "--num_workers=5"]
    machines = machines_of(pipeline_options(flags), "nvidia-l4")
    assert (machines.here, machines.count, machines.workers) == (False, 5, 5)
    assert machines.cores == machines.threads == (cores or available_cores())
    assert str(machines).startswith(kind if cores else "taken for one like this")
    assert str(machines).endswith(", with nvidia-l4")
