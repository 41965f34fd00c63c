"""A try that the SDK gave up may still arrive: it must not undo what was written since."""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from statestore.protocol import TaskScope
from statestore.sdk import StateStore, TaskContext, TaskStore
from tests.server import Server
from tests.threads import run_async


class SlowProxy:
    """Passes connections on. It can hold requests back and send them later, and break a connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.holding = threading.Event()
        self.breaking = threading.Event()
        self.release = threading.Event()
        self.delivered: list[bytes] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._port)) as server:
            while request := _message(client):
                breaks = self.breaking.is_set()
                late = self.holding.is_set() or breaks
                if breaks:
                    self.breaking.clear()
                    client.shutdown(socket.SHUT_RDWR)
                if late:
                    self.release.wait(30)
                server.sendall(request)
                answer = _message(server)
                if late:  # whoever asked has gone
                    self.delivered.append(answer)
                    return
                client.sendall(answer)

    def close(self) -> None:
        self._listener.close()


def _message(connection: socket.socket) -> bytes:
    """One whole HTTP message; nothing where the connection has ended."""
    message = b""
    while True:
        head, end, body = message.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        chunked = b"chunked" in head.lower()
        if end and (
            body.endswith(b"0\r\n\r\n") if chunked else len(body) >= int(length[1] if length else 0)
        ):
            return message
        try:
            part = connection.recv(65536)
        except ConnectionError:
            return b""
        if not part:
            return b""
        message += part


@pytest.fixture
def proxy(server: Server) -> Iterator[SlowProxy]:
    proxy = SlowProxy(int(server.url.rpartition(":")[2]))
    yield proxy
    proxy.close()


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
    server: Server, proxy: SlowProxy, scope: TaskScope, late: str, then: str
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
    server: Server, proxy: SlowProxy, scope: TaskScope, asynchronous: bool
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
