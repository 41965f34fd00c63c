"""Real Airflows for tests: each in a virtual environment of its own, which is made once and kept.

They are kept below STATESTORE_TEST_CACHE, by default ~/.cache/statestore-tests.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from statestore.jobs import process_runner
from tests.missing import missing
from tests.server import ROOT, Server
from tests.wheel import build_wheel

RUNNER = Path(__file__).with_name("airflow_runner.py")
TOO_NEW = {"2.10": (3, 13), "3.3": (3, 15)}
"""The first Python that the version does not run on."""


@dataclass(frozen=True)
class Airflow:
    """An Airflow with a database and a folder of DAGs of its own."""

    python: Path
    home: Path
    server: Server

    @property
    def dags(self) -> Path:
        """The folder of the DAGs."""
        return self.home / "dags"

    @property
    def jobs(self) -> Path:
        """The folder of the external jobs that the examples start, one in it for each."""
        return self.home / "jobs"

    def add(self, *files: Path) -> None:
        """Put files into the folder of the DAGs."""
        self.dags.mkdir(exist_ok=True)
        for file in files:
            shutil.copy(file, self.dags)

    def environment(self, **variables: str) -> dict[str, str]:
        """What its processes see."""
        left_out = ("STATESTORE_", "AIRFLOW_", "DJANGO_", "DATABASE_", "PYTHONPATH")
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(left_out)},
            "PATH": f"{self.python.parent}:{os.environ['PATH']}",
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "EXAMPLE_FOLDER": str(self.jobs),
            "STATESTORE_URL": self.server.url,
            "STATESTORE_TOKEN": self.server.token,
            **variables,
        }

    def command(self, *words: str | Path, environment: Mapping[str, str] | None = None) -> str:
        """Run a program of this Airflow; what it printed."""
        ended = subprocess.run(
            [self.python, *words],
            env=environment or self.environment(),
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert ended.returncode == 0, f"{ended.stdout[-6000:]}\n{ended.stderr[-6000:]}"
        return ended.stdout

    def run(self, *dags: str, **variables: str) -> dict[str, Any]:
        """Run DAGs, `FILE:DAG` each, as `airflow_runner` says; what has become of them."""
        environment = self.environment(**variables)
        shown = self.command(RUNNER, *dags, environment=environment)
        done: dict[str, Any] = json.loads(shown.splitlines()[-1])
        return done

    def kills(self, dag: str, **variables: str) -> None:
        """Run a DAG whose operator `report` waits for its job, send SIGTERM, and see the job end."""
        words = [str(self.python), str(RUNNER), f"{dag}:waits"]
        before = set(self.jobs.glob("*"))
        with (
            (self.home / "killed.log").open("w") as log,
            subprocess.Popen(
                words, env=self.environment(**variables), cwd=self.home, stdout=log, stderr=log
            ) as process,
        ):
            try:
                _until(lambda: any(self._started(before)), log)
                (job,) = self._started(before)
                process.terminate()
                _until((job / process_runner.END).exists, log)
            finally:
                process.kill()
        ended = process_runner.read(job / process_runner.END)
        assert ended is not None
        assert ended["exit_status"] == -signal.SIGTERM

    def _started(self, before: set[Path]) -> list[Path]:
        running = (job for job in set(self.jobs.glob("*")) - before)
        return [job for job in running if process_runner.read(job / process_runner.COMMAND)]


def _until(condition: Callable[[], bool], log: IO[str]) -> None:
    end = time.monotonic() + 150
    while not condition():
        assert time.monotonic() < end, Path(log.name).read_text()[-6000:]
        time.sleep(0.1)


@contextlib.contextmanager
def airflow(version: str, server: Server, folder: Path) -> Iterator[Airflow]:
    """An Airflow of this version with this project's wheel, for one test run at a time."""
    with _locked(version) as python:
        pip = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
        wheel = build_wheel(folder / "wheel")
        subprocess.run([*pip, "--force-reinstall", wheel], check=True, timeout=60)
        home = folder / "airflow"
        home.mkdir()
        made = Airflow(python, home, server)
        made.command("-m", "airflow", "db", "migrate")
        yield made


def installed_airflow(version: str) -> Path:
    """The Python of this version's environment, without this project's wheel."""
    with _locked(version) as python:
        return python


@contextlib.contextmanager
def _locked(version: str) -> Iterator[Path]:
    kept = _environment_folder(version)
    kept.parent.mkdir(parents=True, exist_ok=True)
    with kept.with_name(f"{kept.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield _installed(version, kept)


def _environment_folder(version: str) -> Path:
    cache = os.environ.get("STATESTORE_TEST_CACHE") or Path.home() / ".cache" / "statestore-tests"
    content = _requirements(version).read_bytes() + _python_for(version).encode()
    return Path(cache) / f"airflow-{version}-{hashlib.sha256(content).hexdigest()[:12]}"


def _installed(version: str, folder: Path) -> Path:
    python, stamp = folder / "bin" / "python", folder / "installed"
    if not stamp.exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([_python_for(version), "-m", "venv", folder], check=True, timeout=120)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
        requirements = ["--requirement", str(_requirements(version))]
        done = subprocess.run(
            [*pip, *requirements], capture_output=True, text=True, check=False, timeout=900
        )
        if done.returncode != 0:
            missing(f"Airflow {version}", f"pip could not install it: {done.stderr[-500:]}")
        stamp.touch()
    return python


def _python_for(version: str) -> str:
    if sys.version_info < TOO_NEW[version]:
        return sys.executable
    found = shutil.which("python3.12") or shutil.which("python3.11")
    return found or missing(
        f"Airflow {version}", "it runs on Python 3.11 and 3.12 alone: install one of them"
    )


def _requirements(version: str) -> Path:
    return ROOT / "requirements" / f"airflow-{version}.txt"
