"""A try that the SDK gave up may still arrive: it must not undo what was written since."""

import re
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from statestore.protocol import TaskScope
from statestore.sdk import StateStore
from tests.server import Server


class SlowProxy:
    """Passes connections on; while it is told to, it holds requests back, and sends them later."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.holding = threading.Event()
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
                late = self.holding.is_set()
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


@pytest.mark.parametrize("late", ["set", "delete", "compare_and_set"])
def test_a_given_up_write_that_arrives_late_changes_nothing(
    server: Server, proxy: SlowProxy, scope: TaskScope, late: str
) -> None:
    store = StateStore(proxy.url, server.token, timeout=0.5, retry_seconds=20)
    with store.task(scope.dag_id, scope.run_id, scope.task_id) as context:
        keys = context.task_store
        keys.set("last_page", 4)
        entry = keys.entry("last_page")
        assert entry is not None
        proxy.holding.set()
        threading.Timer(0.2, proxy.holding.clear).start()  # the second try goes through
        if late == "set":
            keys.set("last_page", 5)
        elif late == "delete":
            keys.delete("last_page")
        else:
            keys.compare_and_set("last_page", 5, version=entry.version)
        keys.set("last_page", 6)

        proxy.release.set()
        end = time.monotonic() + 10
        while not proxy.delivered and time.monotonic() < end:
            time.sleep(0.05)

        assert proxy.delivered[0].startswith(b"HTTP/1.1 2") or late == "compare_and_set"
        assert keys.get("last_page") == 6
    store.close()
