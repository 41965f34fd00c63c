"""A task's log has none of the SDK's requests, and all of anybody else's."""

import logging

import httpx
import pytest

from statestore.protocol import TaskScope
from statestore.sdk import StateStore
from tests.server import Server
from tests.threads import run_async


def test_the_sdks_requests_are_in_the_log_only_where_they_are_asked_for(
    server: Server, scope: TaskScope, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        async with StateStore(f"{server.url.replace('http', 'HTTP')}/", server.token) as store:
            task_store = store.task(scope.dag_id, scope.run_id, scope.task_id).task_store
            task_store.set("key", 1)
            await task_store.aset("key", 2)

    caplog.set_level(logging.INFO)
    run_async(work())
    assert "HTTP Request" not in caplog.text
    httpx.get(f"{server.url}/login/")
    assert caplog.text.count("HTTP Request") == 1
    caplog.set_level(logging.DEBUG, logger="statestore.sdk")
    run_async(work())
    assert caplog.text.count("/state-store/key") == 2
