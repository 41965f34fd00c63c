"""The server is restarted, is not there, or is somebody else's."""

import http.server
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from statestore.sdk import ServerError, StateStore, TaskStore, UnreachableError
from tests.ports import free_port
from tests.server import Server


@pytest.mark.slow
def test_a_loop_of_writes_outlives_restarts_of_the_server(
    server: Server, task_store: TaskStore
) -> None:
    written: list[int] = []
    stop = threading.Event()
    problems: list[Exception] = []

    def work() -> None:
        try:
            while not stop.is_set():
                task_store.set("last", len(written))
                assert task_store.get("last") == len(written)
                written.append(len(written))
        except Exception as error:  # noqa: BLE001 - handed to the test
            problems.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    for end in (server.kill, server.stop):
        count = len(written)
        while len(written) < count + 10 and worker.is_alive():
            time.sleep(0.01)
        end()
        time.sleep(0.3)
        server.start()
    count = len(written)
    while len(written) < count + 10 and worker.is_alive():
        time.sleep(0.01)
    stop.set()
    worker.join(30)
    assert problems == []
    assert task_store.get("last") == written[-1]


def test_a_server_that_is_not_there_is_named_within_the_time_allowed() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    begin = time.monotonic()
    store = StateStore(url, "token", retry_seconds=0.5)
    with store, pytest.raises(UnreachableError) as raised:
        store.task("dag", "run", "task").task_store.get("key", default="not this")
    assert time.monotonic() - begin < 5
    assert url in str(raised.value)
    assert "STATESTORE_URL" in str(raised.value)


def test_a_server_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        store = StateStore(url, "token", timeout=0.2, retry_seconds=0.3)
        with store, pytest.raises(UnreachableError, match="Timeout"):
            store.task("dag", "run", "task").task_store.set("key", 1)


@pytest.fixture
def somebody_else() -> Iterator[str]:
    """The URL of a web server that knows nothing of Statestore."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"<html>Welcome to nginx</html>"
            self.send_response({"teapot": 418, "missing": 404}.get(self.path.split("/")[1], 200))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def do_DELETE(self) -> None:
            self.do_GET()

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as stranger:
        thread = threading.Thread(target=stranger.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{stranger.server_port}"
        stranger.shutdown()
        thread.join()


@pytest.mark.parametrize("place", ["", "/missing", "/teapot"])
def test_an_answer_that_is_not_statestores_is_never_taken_for_one(
    somebody_else: str, place: str
) -> None:
    with StateStore(somebody_else + place, "token", retry_seconds=1) as store:
        context = store.task("dag", "run", "task")
        task_store = context.task_store
        for call in (
            lambda: task_store.get("key", default="not this"),
            lambda: task_store.set("key", 1),
            lambda: task_store.compare_and_set("key", 1, version=1),
            lambda: task_store.delete("key"),
            lambda: list(task_store.items()),
            context.start_attempt,
        ):
            with pytest.raises(ServerError, match=r"Welcome to nginx.*STATESTORE_URL"):
                call()
