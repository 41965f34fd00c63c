"""Behind a pooler in transaction mode, each transaction may have another connection to the database."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest
from django.core.checks import run_checks
from django.db import connection
from pytest_django.fixtures import Settings

from statestore.protocol import LOCK_SECONDS, TaskScope
from statestore.sdk import StateStore
from tests.pooler import CONNECTIONS, pooled
from tests.server import Server

pytestmark = pytest.mark.postgresql

_SCAN = "from statestore.services import scan_secrets; scan_secrets()"
_LOG_IN = """
from django.contrib.auth.models import User
from django.test import Client
client = Client()
client.force_login(User.objects.create_superuser("behind-a-pooler"))
print(client.cookies["sessionid"].value)
"""


@pytest.fixture(scope="module")
def behind_pooler(
    server_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server of its own on the database of the others."""
    log = tmp_path_factory.mktemp("pooler") / "server.log"
    with pooled(server_environment["DATABASE_URL"]) as url:
        environment = {**server_environment, "DATABASE_URL": url, "STATESTORE_PGBOUNCER": "true"}
        server = Server(environment, log)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def test_keys_are_written_and_read_by_more_threads_than_there_are_connections(
    behind_pooler: Server, scope: TaskScope
) -> None:
    with StateStore(behind_pooler.url, behind_pooler.token, retry_seconds=5) as store:
        keys = store.task(scope.dag_id, scope.run_id, scope.task_id).task_store

        def write(thread: int) -> list[object]:
            name, read = f"k{thread}", []
            for number in range(20):
                keys.set(name, number)
                read.append(keys.get(name))
            return read

        with ThreadPoolExecutor(4 * CONNECTIONS) as pool:
            found = list(pool.map(write, range(4 * CONNECTIONS)))
        assert found == [list(range(20))] * (4 * CONNECTIONS)


def test_batches_sweeps_and_scans_go_through(behind_pooler: Server, scope: TaskScope) -> None:
    with StateStore(behind_pooler.url, behind_pooler.token, retry_seconds=5) as store:
        keys = store.task(scope.dag_id, scope.run_id, scope.task_id).task_store
        keys.set_many({"config": {"password": "correct horse"}, "page": 7})
        keys.set("old", 1, retention=timedelta(seconds=1))
        assert keys.get_many(["page", "old"]) == {"page": 7, "old": 1}
        time.sleep(1.1)
        assert "Deleted" in behind_pooler.manage("sweep_expired")
        behind_pooler.manage("shell", "-v", "0", "-c", _SCAN)
        assert keys.get("page") == 7
        assert keys.get("old") is None
    session = behind_pooler.manage("shell", "-v", "0", "-c", _LOG_IN).strip()
    with httpx.Client(base_url=behind_pooler.url, cookies={"sessionid": session}) as browser:
        for path in ("/", "/fragments/live/", "/runs/", "/retention/", "/secrets/"):
            assert browser.get(path).status_code == 200, path
        assert scope.run_id in browser.get("/secrets/").text


@pytest.mark.django_db
def test_a_database_that_lets_writes_wait_for_ever_is_told(settings: Settings) -> None:
    def told() -> list[str]:
        return [str(found.id) for found in run_checks(databases=["default"])]

    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = 0")
        assert "statestore.W001" not in told()
        settings.STATESTORE_PGBOUNCER = True
        assert "statestore.W001" in told()
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
        assert "statestore.W001" not in told()
