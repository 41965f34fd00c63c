"""Airflow's API server and scheduler in processes of their own, with its local executor."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tests.engines.daemons import Daemon
from tests.integrations.airflow_environment import Airflow
from tests.ports import free_port
from tests.server import answers

SECONDS = 240


@dataclass(frozen=True)
class Services:
    """What runs DAGs of an Airflow."""

    airflow: Airflow
    environment: dict[str, str]

    def run(self, dag: str) -> list[tuple[str, int, str]]:
        """Run a DAG; the name, the tries and the state of its tasks."""
        words = ["-m", "airflow", "dags", "trigger", dag, "--run-id", "run"]
        self.airflow.command(*words, environment=self.environment)
        end = time.monotonic() + SECONDS
        while self._state(dag) not in {"success", "failed"}:
            assert time.monotonic() < end, self.logs()
            time.sleep(0.2)
        tasks = "SELECT task_id, try_number, state FROM task_instance WHERE dag_id = ?"
        return [(name, tries, state) for name, tries, state in self._ask(tasks, dag)]

    def logs(self) -> str:
        """The end of what they wrote."""
        files = [*self.airflow.home.glob("*.log"), *self.airflow.home.glob("logs/**/*.log")]
        return "\n".join(f"== {file}\n{file.read_text()[-4000:]}" for file in files)

    def _state(self, dag: str) -> str:
        ((state,),) = self._ask("SELECT state FROM dag_run WHERE dag_id = ?", dag)
        return str(state)

    def _ask(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        file = quote(f"{self.airflow.home}/airflow.db")
        with closing(sqlite3.connect(f"file:{file}?mode=ro", timeout=30, uri=True)) as database:
            return list(database.execute(query, values))


@contextmanager
def services(airflow: Airflow, **variables: str) -> Iterator[Services]:
    """Have them run the DAGs that are in the folder, and unpause these."""
    port = free_port()
    environment = airflow.environment(
        AIRFLOW__API__BASE_URL=f"http://127.0.0.1:{port}",
        AIRFLOW__API_AUTH__JWT_SECRET="of the tests alone, and long enough to be taken",
        AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION="False",
        AIRFLOW__CORE__EXECUTION_API_SERVER_URL=f"http://127.0.0.1:{port}/execution/",
        AIRFLOW__CORE__EXECUTOR="LocalExecutor",
        AIRFLOW__CORE__PARALLELISM="2",
        AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT="30",
        AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL="1",
        AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL="2",
        **variables,
    )
    airflow.command("-m", "airflow", "dags", "reserialize", environment=environment)
    program = [str(airflow.python), "-m", "airflow"]
    listen = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    api = Daemon([*program, "api-server", *listen], airflow.home / "api.log", environment)
    scheduler = Daemon(
        [*program, "scheduler", "--skip-serve-logs"], airflow.home / "scheduler.log", environment
    )
    try:
        api.start(lambda: answers(f"http://127.0.0.1:{port}"))
        scheduler.start(lambda: "Starting the scheduler" in scheduler.log.read_text())
        yield Services(airflow, environment)
    finally:
        scheduler.stop()
        api.stop()
