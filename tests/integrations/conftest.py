from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from statestore.integrations.airflow import connection
from statestore.sdk import StateStore
from tests.brokers import broker
from tests.integrations.workers import Workers
from tests.server import Server


@pytest.fixture
def workers(request: pytest.FixtureRequest, server: Server, tmp_path: Path) -> Iterator[Workers]:
    with broker(getattr(request, "param", "filesystem")) as url:
        started = Workers(url, server, tmp_path)
        try:
            yield started
        finally:
            started.stop()


@pytest.fixture
def airflow_process(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in a process of Airflow's, which has asked nothing yet; what it opens is closed."""
    opened: list[StateStore] = []

    def open_store(*args: Any, **options: Any) -> StateStore:
        opened.append(StateStore(*args, **options))
        return opened[-1]

    monkeypatch.setenv("STATESTORE_URL", server.url)
    monkeypatch.setenv("STATESTORE_TOKEN", server.token)
    monkeypatch.delenv("STATESTORE_MODE", raising=False)
    monkeypatch.setattr(connection, "StateStore", open_store)
    connection._opened.cache_clear()
    yield
    connection._opened.cache_clear()
    for store in opened:
        store.close()
