"""A Flink cluster on this machine, as large as one is asked for::

    with flink_cluster(Path("/tmp/flink"), Memory(managed=1024)) as cluster:
        main(["segment", …, *cluster.flags()])

One job manager, some task managers, and Beam's job server for them, each a Java process. Each task
manager starts its own Python workers with Beam's boot program, in the environment that runs this,
with this working tree before it on the path. Shuffles spill to the given folder.
What all that is made of is fetched when it is first asked for (:mod:`tests.engines.fetching`).
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil
import requests

from tests.engines.fetching import OPENED, boot, flink
from tests.engines.processes import EngineProcess, free_ports, started, wait_for

REPOSITORY: Final = Path(__file__).parents[2]

_JOB_MANAGER: Final = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
_TASK_MANAGER: Final = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
_JOB_SERVER: Final = "org.apache.beam.runners.flink.FlinkJobServerDriver"


@dataclass(frozen=True)
class Memory:
    """Megabytes of a task manager: in all about twice their sum.

    Attributes:
        heap: For what is not a buffer.
        managed: For sorting and grouping; what does not fit there is spilled.
        network: For what is on its way between tasks.
        workers: For what is on its way to and from Python workers.
    """

    heap: int = 256
    managed: int = 64
    network: int = 128
    workers: int = 64


@dataclass
class FlinkCluster:
    """A cluster that runs.

    Attributes:
        job_endpoint: Of Beam's job server.
        rest: URL of the job manager's REST API.
        task_managers: Those that run.
    """

    job_endpoint: str
    rest: str
    worker: Path
    _command: Sequence[str]
    _folder: Path
    _running: contextlib.ExitStack
    task_managers: list[EngineProcess] = field(default_factory=list)

    def flags(self, parallelism: int = 2, variables: Mapping[str, str] | None = None) -> list[str]:
        """Beam's flags for a job of this cluster.

        Args:
            parallelism: Tasks of each kind at once.
            variables: Of the workers' environment; no value holds a comma.
        """
        options = [f"process_command={self.worker}"]
        if variables:
            pairs = ",".join(f"{name}={value}" for name, value in variables.items())
            options.append(f"process_variables={pairs}")
        return [
            "--runner=FlinkRunner",
            f"--job_endpoint={self.job_endpoint}",
            f"--parallelism={parallelism}",
            "--environment_type=PROCESS",
            *(f"--environment_option={option}" for option in options),
        ]

    def add_task_manager(self) -> EngineProcess:
        """Starts one more; returns at once."""
        log = self._folder / f"task-manager-{len(self.task_managers)}.log"
        process = self._running.enter_context(started(self._command, log))
        self.task_managers.append(process)
        return process

    def wait_for_task_managers(self, count: int) -> None:
        """Returns once so many are registered."""
        alive = [each for each in self.task_managers if each.popen.poll() is None]
        wait_for(lambda: len(self.ask("taskmanagers")["taskmanagers"]) == count, *alive)

    def workers(self) -> list[psutil.Process]:
        """The Python processes that task managers have started."""
        running = [each for each in self.task_managers if each.popen.poll() is None]
        children = [child for each in running for child in each.children()]
        return [child for child in children if "sdk_worker_main" in " ".join(_command_line(child))]

    def ask(self, path: str) -> Any:
        """What the job manager's REST API answers; nothing while it does not."""
        try:
            answer = requests.get(f"{self.rest}/{path}", timeout=10)
            answer.raise_for_status()
        except requests.RequestException:
            return {"taskmanagers": [], "jobs": []}
        return answer.json()


def _command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@contextlib.contextmanager
def flink_cluster(
    folder: Path, memory: Memory | None = None, *, task_managers: int = 2, slots: int = 2
) -> Iterator[FlinkCluster]:
    """Runs a cluster for as long as the context lasts.

    Args:
        folder: For its configuration, logs and spilled data; it is made.
        memory: Of each task manager.
        task_managers: How many.
        slots: Tasks of one kind that each runs at once. A job that shall survive the loss of a
            task manager needs spare ones.

    Raises:
        FetchError: What it is made of cannot be had.
        RuntimeError: It does not start.
    """
    jar = flink()
    memory = memory or Memory()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spilled").mkdir(exist_ok=True)
    worker = _write_worker(folder, boot())
    rpc, rest = free_ports(2)
    settings = {
        **_settings(memory, slots),
        "io.tmp.dirs": folder / "spilled",
        "jobmanager.rpc.port": rpc,
        "rest.port": rest,
    }
    lines = [f"{name}: {value}\n" for name, value in settings.items()]
    (folder / "config.yaml").write_text("".join(lines))
    configured = ["--configDir", str(folder)]
    with contextlib.ExitStack() as running:
        job_manager = running.enter_context(
            started(
                [*_java(jar, 256), _JOB_MANAGER, *configured, "--executionMode", "cluster"],
                folder / "job-manager.log",
            )
        )
        job_server = running.enter_context(
            started(
                [
                    *(*_java(jar, 256), _JOB_SERVER, "--flink-master", f"localhost:{rest}"),
                    *("--job-host", "localhost", "--job-port", "0", "--artifact-port", "0"),
                    *("--expansion-port", "0", "--artifacts-dir", str(folder / "staged")),
                ],
                folder / "job-server.log",
            )
        )
        heap = memory.heap + 64
        direct = memory.network + memory.workers + 64
        limits = [f"-XX:MaxDirectMemorySize={direct}m", "-XX:MaxMetaspaceSize=256m"]
        command = [*_java(jar, heap, *limits), _TASK_MANAGER, *configured]
        cluster = FlinkCluster("", f"http://localhost:{rest}", worker, command, folder, running)
        for _ in range(task_managers):
            cluster.add_task_manager()
        job_manager.wait_for(r"Rest endpoint listening at")
        match = job_server.wait_for(r"JobService started on (\S+:\d+)")
        cluster.job_endpoint = match[1]
        cluster.wait_for_task_managers(task_managers)
        yield cluster


def _settings(memory: Memory, slots: int) -> dict[str, object]:
    return {
        "jobmanager.rpc.address": "localhost",
        "jobmanager.bind-host": "localhost",
        "rest.address": "localhost",
        "taskmanager.host": "localhost",
        "taskmanager.bind-host": "localhost",
        "taskmanager.numberOfTaskSlots": slots,
        "taskmanager.cpu.cores": slots,
        "taskmanager.memory.framework.heap.size": "64m",
        "taskmanager.memory.framework.off-heap.size": "64m",
        "taskmanager.memory.task.heap.size": f"{memory.heap}m",
        "taskmanager.memory.task.off-heap.size": f"{memory.workers}m",
        "taskmanager.memory.managed.size": f"{memory.managed}m",
        "taskmanager.memory.network.min": f"{memory.network}m",
        "taskmanager.memory.network.max": f"{memory.network}m",
        "taskmanager.memory.jvm-metaspace.size": "256m",
        "taskmanager.memory.jvm-overhead.min": "64m",
        "taskmanager.memory.jvm-overhead.max": "64m",
        # Beam's classes are on every class path: loading them anew for each job takes seconds.
        "classloader.resolve-order": "parent-first",
        "taskmanager.load-balance.mode": "SLOTS",
        "restart-strategy.type": "fixed-delay",
        "restart-strategy.fixed-delay.attempts": 5,
        "restart-strategy.fixed-delay.delay": "1 s",
        "heartbeat.interval": 1000,
        "heartbeat.timeout": 5000,
    }


def _java(jar: Path, heap: int, *limits: str) -> list[str]:
    """Up to the name of a class; what a JAR's manifest opens counts only with ``-jar``."""
    opened = [f"--add-opens={package}=ALL-UNNAMED" for package in OPENED]
    return ["java", f"-Xmx{heap}m", *limits, *opened, "-cp", str(jar)]


def _write_worker(folder: Path, boot_program: Path) -> Path:
    """The command that starts a worker process."""
    script = folder / "worker.sh"
    script.write_text(
        "#!/bin/sh\n"
        f'export PATH="{Path(sys.executable).parent}:$PATH" PYTHONPATH="{REPOSITORY}"\n'
        "export RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1\n"
        f'exec "{boot_program}" --semi_persist_dir="{folder}/workers/$$" "$@"\n'
    )
    script.chmod(0o755)
    return script
