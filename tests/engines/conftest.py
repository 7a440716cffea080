"""Engines that run for a whole session, and jobs on them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.engines.fetching import FetchError, prism
from tests.engines.flink import FlinkCluster, flink_cluster
from tests.faults.conftest import COLOUR_ENGINE, Job, interrupts_reach_programs, job, model

__all__ = ["interrupts_reach_programs", "job", "model"]  # their fixtures are ours too


@pytest.fixture(scope="session")
def prism_binary() -> Path:
    try:
        return prism()
    except FetchError as error:
        pytest.skip(f"no Prism: {error}")


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlinkCluster]:
    """Two task managers, each with room for a whole job."""
    try:
        with flink_cluster(tmp_path_factory.mktemp("flink")) as running:
            yield running
    except FetchError as error:
        pytest.skip(f"no Flink: {error}")


@dataclass(frozen=True)
class OnFlink:
    """Makes jobs run on the cluster.

    Attributes:
        cluster: It.
        folder: Of this test.
        cache: Of models, for the workers.
    """

    cluster: FlinkCluster
    folder: Path
    cache: Path

    def job(self, job: Job, faults: Mapping[str, Any] = COLOUR_ENGINE) -> Job:
        """A job with faults in its workers."""
        file = self.folder / "faults.json"
        file.write_text(json.dumps(faults))
        variables = {"BEAM_DEEPLAB_FAULTS": str(file), "BEAM_DEEPLAB_CACHE": str(self.cache)}
        flags = self.cluster.flags(variables=variables)
        plugin = "--beam_plugins=tests.engines.worker_faults"
        return replace(job, flags=[*job.flags, "--shared_paths", plugin, *flags])


@pytest.fixture
def on_flink(cluster: FlinkCluster, tmp_path: Path, cache: Path) -> OnFlink:
    return OnFlink(cluster, tmp_path, cache)
