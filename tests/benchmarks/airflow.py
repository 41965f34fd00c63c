"""A peer: the public API of Airflow 3.3, two workers, on the same PostgreSQL."""

import contextlib
import json
import os
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.servers import database, serving
from tests.integrations.kept_environment import kept_environment
from tests.ports import free_port

WORKERS = 2  # of one it made 173 PUTs a second at 8 connections, of two 287
_DAG = """
from airflow.sdk import DAG
from airflow.providers.standard.operators.empty import EmptyOperator

with DAG("bench", schedule=None):
    for number in range({tasks}):
        EmptyOperator(task_id=f"task-{{number}}")
"""
_LEFT_OUT = ("STATESTORE_", "AIRFLOW_", "DJANGO_", "DATABASE_", "PYTHONPATH")


@contextlib.contextmanager
def airflow(postgresql_url: str, tasks: int) -> Iterator[tuple[str, str]]:
    """Its URL, and a token that may do anything; the run `run` of its DAG `bench` has these tasks."""
    with (
        kept_environment("airflow-3.3") as python,
        tempfile.TemporaryDirectory() as name,
        database(postgresql_url) as url,
    ):
        home = Path(name)
        environment = _environment(home, url.partition("://")[2], python)

        def command(*words: str) -> None:
            done = [str(python), "-m", "airflow", *words]
            subprocess.run(done, env=environment, cwd=home, check=True, stdout=subprocess.DEVNULL)

        (home / "dags").mkdir()
        (home / "dags" / "bench.py").write_text(_DAG.format(tasks=tasks))
        (home / "passwords.json").write_text(json.dumps({"admin": "admin"}))
        command("db", "migrate")
        command("dags", "reserialize")
        command("dags", "trigger", "bench", "--run-id", "run")
        port = free_port()
        server = [str(python), "-m", "airflow", "api-server", "--workers", str(WORKERS)]
        with serving(
            [*server, "--host", "127.0.0.1", "--port", str(port)], environment, port
        ) as base:
            yield base, _token(base)


def _environment(home: Path, address: str, python: Path) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith(_LEFT_OUT)}
    return {
        **kept,
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{address}",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": f"postgresql+asyncpg://{address}",
        # With its default pool it stalls from about 20 connections a worker on.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_SIZE": "40",
    }


def _token(base: str) -> str:
    request = urllib.request.Request(
        f"{base}/auth/token",
        data=json.dumps({"username": "admin", "password": "admin"}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(json.load(answer)["access_token"])
