"""Which machines share a run's images, as far as its flags say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from apache_beam.options.pipeline_options import PipelineOptions, WorkerOptions

from beam_deeplab.deeplab.engines import available_cores
from beam_deeplab.pipeline.workers import runs_here, worker_count

_CORES: Final = re.compile(r"-(\d+)(?:-|$)")
"""In ``n1-standard-4``, ``n2-custom-8-16384``, ``c3-standard-8-lssd``; not in ``a2-highgpu-1g``."""


@dataclass(frozen=True, slots=True)
class Machines:
    """Those that share the images.

    Attributes:
        here: Whether it is this one.
        count: How many.
        cores: Of each, on all of which its processes or threads compute.
        threads: Images that each works on at once.
        kind: The type that each has; empty if none is known.
        gpu: What each runs the network on; empty for its cores.
    """

    here: bool
    count: int
    cores: int
    threads: int
    kind: str = ""
    gpu: str = ""

    @property
    def workers(self) -> int:
        """Beam's workers: threads or processes here, machines elsewhere."""
        return self.threads if self.here else self.count

    def __str__(self) -> str:
        """What each is, for people."""
        cores = f"{self.cores} core{'s' * (self.cores > 1)}"
        like = f"{self.kind} of {cores}" if self.kind else f"taken for one like this, of {cores}"
        return f"{like}, with {self.gpu}" if self.gpu else like


def machines_of(options: PipelineOptions, gpu: str = "") -> Machines:
    """The machines of a run; ``gpu`` is what remote workers run the network on, if any."""
    workers, here = worker_count(options), available_cores()
    if runs_here(options):
        return Machines(True, 1, here, workers)
    kind = str(options.view_as(WorkerOptions).machine_type or "")
    said = _CORES.search(kind)
    cores = int(said[1]) if said else here
    return Machines(False, workers, cores, cores, kind if said else "", gpu)
