"""Real Airflows for tests, each in an environment of its own."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from statestore.jobs import process_runner
from tests.integrations.kept_environment import install_wheel, kept_environment
from tests.server import Server

RUNNER = Path(__file__).with_name("airflow_runner.py")
OPERATORS = Path(__file__).with_name("airflow_operators.py")


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

    def takes_durable_as_its_own_mixin_does(self) -> None:
        """See which operators are durable."""
        made = json.loads(self.command(OPERATORS).splitlines()[-1])
        assert {task for task, durable in made.items() if durable} == {
            "plain",
            "after_all",
            "behind",
        }
        assert len(made) == 8

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
    with kept_environment(f"airflow-{version}") as python:
        install_wheel(python, folder)
        home = folder / "airflow"
        home.mkdir()
        made = Airflow(python, home, server)
        made.command("-m", "airflow", "db", "migrate")
        yield made
