"""A try that the SDK gave up may still arrive: it must not undo what was written since."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from statestore.protocol import TaskScope
from statestore.sdk import StateStore, TaskContext, TaskStore
from tests.proxy import Proxy
from tests.server import Server
from tests.threads import run_async


def _read(keys: TaskStore) -> Any:
    return keys.get("key", default="nothing")


Write = Callable[[TaskContext], Any]
WRITES: dict[str, Write] = {
    "set": lambda context: context.task_store.set("key", 5),
    "set many": lambda context: context.task_store.set_many({"key": 5, "other": 5}),
    "delete": lambda context: context.task_store.delete("key"),
    "clear": lambda context: context.task_store.clear(),
    "update": lambda context: context.task_store.update("key", {"late": True}),
    "attempt": lambda context: context.__enter__(),
}
NEXT: dict[str, Write] = {
    "set": lambda context: context.task_store.set("key", 6),
    "delete": lambda context: context.task_store.delete("key"),
    "clear": lambda context: context.task_store.clear(),
    "increment": lambda context: context.task_store.increment("key", 7),
    "create": lambda context: context.task_store.compare_and_set("key", "reserved", version=None),
    "update": lambda context: context.task_store.update("key", {"late": False}),
    "nothing": lambda context: None,
}
PAIRS = [
    ("set", "set"), ("set", "delete"), ("set", "clear"), ("set many", "set"),
    ("delete", "set"), ("delete", "create"), ("delete", "increment"),
    ("clear", "set"), ("clear", "create"), ("clear", "increment"),
    ("update", "update"), ("update", "set"), ("attempt", "nothing"),
]  # fmt: skip


@pytest.mark.parametrize(("late", "then"), PAIRS)
def test_a_given_up_try_that_arrives_late_changes_nothing(
    server: Server, proxy: Proxy, scope: TaskScope, late: str, then: str
) -> None:
    with StateStore(proxy.url, server.token, timeout=0.5, retry_seconds=20) as store:
        context = store.task(scope.dag_id, scope.run_id, scope.task_id)
        context.task_store.set("key", {"late": None} if late == "update" else 4)
        proxy.holding.set()
        threading.Timer(0.2, proxy.holding.clear).start()  # the second try goes through
        WRITES[late](context)
        NEXT[then](context)
        before = _read(context.task_store)

        proxy.release.set()
        end = time.monotonic() + 10
        while not proxy.delivered and time.monotonic() < end:
            time.sleep(0.05)

        assert proxy.delivered[0].startswith(b"HTTP/1.1 408")
        assert _read(context.task_store) == before
        context.task_store.set("key", "still the newest attempt")


async def aset(store: StateStore, keys: TaskStore) -> None:
    """Write once in an event loop of its own."""
    async with store:
        await keys.aset("key", 5)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_broken_connection_is_waited_for_until_its_request_can_no_longer_begin(
    server: Server, proxy: Proxy, scope: TaskScope, asynchronous: bool
) -> None:
    """Whoever breaks it (a proxy, a restart) may have passed the request on."""
    with StateStore(proxy.url, server.token, timeout=2, retry_seconds=20) as store:
        keys = store.task(scope.dag_id, scope.run_id, scope.task_id).task_store
        keys.set("key", 4)
        proxy.breaking.set()
        begin = time.monotonic()
        if asynchronous:
            run_async(aset(store, keys))
        else:
            keys.set("key", 5)
        assert time.monotonic() - begin > 0.9  # half of the timeout
        keys.set("key", 6)
        proxy.release.set()
        while not proxy.delivered:
            time.sleep(0.05)
        assert proxy.delivered[0].startswith(b"HTTP/1.1 408")
        assert keys.get("key") == 6
