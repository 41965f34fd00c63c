"""Ray: the head of a cluster of one node, on this host; see `ray_runner`."""

import shutil
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx

from tests.engines.daemons import Daemon
from tests.engines.wheels import python_of
from tests.missing import missing
from tests.ports import free_port


class Ray:
    """A head whose REST API is at `url`."""

    def __init__(self, folder: Path) -> None:
        python = python_of("ray")
        if not shutil.which("unshare"):
            missing("unshare", "install util-linux: Ray runs in a network of its own")
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._files = tempfile.mkdtemp(prefix="ray-")  # names of its sockets must be short
        runner = Path(__file__).with_name("ray_runner.py")
        command: list[str | Path] = [python, "-I", runner, str(port), python.with_name("ray")]
        self._daemon = Daemon([*command, self._files], folder / "ray.log")
        self._http = httpx.Client(verify=False)

    def start(self) -> None:
        """Start it, and wait until it takes jobs."""
        self._daemon.start(lambda: self._jobs() is not None)

    def stop(self) -> None:
        """End it, with its jobs."""
        self._http.close()
        self._daemon.kill()
        shutil.rmtree(self._files, ignore_errors=True)

    def restart(self) -> None:
        """Kill it, with its jobs, and start it anew."""
        self._daemon.kill()
        self.start()

    def away(self) -> AbstractContextManager[None]:
        """Its head does not answer meanwhile; its jobs go on."""
        return self._daemon.paused()

    def jobs(self, test: str) -> dict[str, str]:
        """The statuses of the jobs of a test, by their ids."""
        jobs = self._jobs() or []
        mine = [job for job in jobs if (job["metadata"] or {}).get("test") == test]
        return {job["submission_id"]: job["status"] for job in mine}

    def _jobs(self) -> list[dict[str, Any]] | None:
        try:
            answer = self._http.get(f"{self.url}/api/jobs/", timeout=10)
        except httpx.TransportError:
            return None
        return list(answer.json()) if answer.is_success else None
