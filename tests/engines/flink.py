"""Flink: a session cluster of one JobManager and one TaskManager, from the jars of a Python wheel."""

import shutil
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

import httpx

from tests.engines.daemons import Daemon
from tests.engines.wheels import packages_of
from tests.missing import missing
from tests.ports import free_port

JAVA: Final = Path(__file__).with_name("java")

CONFIGURATION: Final = """\
jobmanager.rpc.address: 127.0.0.1
jobmanager.bind-host: 127.0.0.1
jobmanager.rpc.port: {rpc_port}
jobmanager.memory.process.size: 1g
rest.address: 127.0.0.1
rest.bind-address: 127.0.0.1
rest.bind-port: "{rest_port}"
rest.port: {rest_port}
blob.server.port: "{blob_port}"
taskmanager.host: 127.0.0.1
taskmanager.bind-host: 127.0.0.1
taskmanager.numberOfTaskSlots: 32
taskmanager.cpu.cores: 2
taskmanager.memory.framework.heap.size: 128m
taskmanager.memory.framework.off-heap.size: 64m
taskmanager.memory.jvm-metaspace.size: 128m
taskmanager.memory.jvm-overhead.min: 64m
taskmanager.memory.jvm-overhead.max: 64m
taskmanager.memory.task.heap.size: 96m
taskmanager.memory.task.off-heap.size: 0m
taskmanager.memory.managed.size: 32m
taskmanager.memory.network.min: 16m
taskmanager.memory.network.max: 16m
parallelism.default: 1
heartbeat.interval: 1s
heartbeat.timeout: 30s
restart-strategy.type: none
io.tmp.dirs: {folder}/tmp
web.refresh-interval: 20ms
web.upload.dir: {folder}/upload
"""


class Flink:
    """A cluster below `folder`, whose REST API is at `url`; `jar` holds the job `WaitForEnd`."""

    def __init__(self, folder: Path) -> None:
        if not shutil.which("javac"):
            missing("a JDK", "make engines, or install one")
        self._jars = f"{packages_of('flink') / 'pyflink' / 'lib'}/*"
        self.folder = folder
        rest_port = free_port()
        self.url = f"http://127.0.0.1:{rest_port}"
        (folder / "conf").mkdir()
        (folder / "tmp").mkdir()
        (folder / "conf" / "config.yaml").write_text(
            CONFIGURATION.format(
                folder=folder, rest_port=rest_port, rpc_port=free_port(), blob_port=free_port()
            )
        )
        entry = "org.apache.flink.runtime"
        self._job_manager = self._daemon(
            f"{entry}.entrypoint.StandaloneSessionClusterEntrypoint", "-Xmx320m"
        )
        self._task_manager = self._daemon(f"{entry}.taskexecutor.TaskManagerRunner", "-Xmx320m")
        self._http = httpx.Client(verify=False)
        self.jar = self._compile()

    def start(self) -> None:
        """Start both, and wait until jobs can run."""
        self._job_manager.start(self._answers)
        self._task_manager.start(self._has_slots)

    def stop(self) -> None:
        """Stop both, with their jobs."""
        self._http.close()
        self._task_manager.stop()
        self._job_manager.stop()

    def restart(self) -> None:
        """Kill the JobManager, and start one anew, which the TaskManager joins."""
        self._job_manager.kill()
        self._job_manager.start(self._answers)

    def away(self) -> AbstractContextManager[None]:
        """The JobManager does not answer meanwhile."""
        return self._job_manager.paused()

    def jobs(self, name: str) -> list[dict[str, Any]]:
        """The jobs of that name."""
        jobs = self._http.get(f"{self.url}/jobs/overview").json()["jobs"]
        return [job for job in jobs if job["name"] == name]

    def _daemon(self, main: str, heap: str) -> Daemon:
        java = ["java", heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        java += [
            f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in ("java.lang", "java.util")
        ]
        command: list[str | Path] = [
            *java,
            "-cp",
            self._jars,
            main,
            "--configDir",
            self.folder / "conf",
        ]
        return Daemon(command, self.folder / f"{main.rpartition('.')[2]}.log")

    def _compile(self) -> Path:
        classes, jar = self.folder / "classes", self.folder / "wait-for-end.jar"
        source = JAVA / "WaitForEnd.java"
        subprocess.run(["javac", "-cp", self._jars, "-d", classes, source], check=True)
        subprocess.run(["jar", "cfe", jar, "WaitForEnd", "-C", classes, "."], check=True)
        return jar

    def _answers(self) -> bool:
        return self._overview() is not None

    def _has_slots(self) -> bool:
        return bool((self._overview() or {}).get("slots-available"))

    def _overview(self) -> dict[str, Any] | None:
        try:
            answer = self._http.get(f"{self.url}/overview")
        except httpx.TransportError:
            return None
        return dict(answer.json()) if answer.is_success else None
