"""Pages that are pushed by the ASGI application: to whom, when, and how each stream ends."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from statestore.protocol import TaskScope
from tests.server import Server
from tests.viewers import Viewer, new_viewers

SOON = 15.0  # seconds: a busy machine's time
BELIEVED = (
    15.0  # seconds for which a right may still count: five, a look, and a busy machine's time
)


@pytest.fixture(scope="module")
def viewers(running_people_server: Server) -> list[Viewer]:
    """For each who may lose their right, one whom no other test knows."""
    return new_viewers(running_people_server, 4)


@pytest.fixture(scope="module")
def viewer(viewers: list[Viewer]) -> Viewer:
    """Who keeps their right."""
    return viewers.pop()


class Pushed:
    """Reads a stream in a thread of its own."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.events: list[tuple[str, str]] = []
        self._come = threading.Condition()
        self._over = False
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        name = ""
        try:
            for line in self.answer.iter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    with self._come:
                        self.events.append((name, line.removeprefix("data: ")))
                        self._come.notify_all()
        except (httpx.HTTPError, httpx.StreamError):
            pass
        with self._come:
            self._over = True
            self._come.notify_all()

    def wait_for(self, name: str, text: str = "", *, seconds: float = SOON) -> str:
        """The data of the first event of this name that has the text."""

        def found() -> list[str]:
            return [data for event, data in self.events if event == name and text in data]

        with self._come:
            assert self._come.wait_for(lambda: found() or self._over, seconds), self.events
            assert found(), self.events
            return found()[0]

    def is_over(self, seconds: float) -> bool:
        """Whether the server has closed it, after so long at most."""
        with self._come:
            return self._come.wait_for(lambda: self._over, seconds)


@contextmanager
def pushed(server: Server, path: str, headers: dict[str, str]) -> Iterator[Pushed]:
    """A stream of events."""
    with (
        httpx.Client(timeout=30) as client,
        client.stream("GET", server.url + path, headers=headers) as answer,
    ):
        stream = Pushed(answer)
        try:
            yield stream
        finally:
            answer.close()
            stream._thread.join()


def put(server: Server, scope: TaskScope, message: str) -> None:
    """Report progress, to the server that takes writes."""
    task = f"dags/{scope.dag_id}/dagRuns/{scope.run_id}/taskInstances/{scope.task_id}"
    httpx.put(
        f"{server.url}/api/v2/{task}/state-store/progress",
        headers={"Authorization": f"Bearer {server.token}"},
        json={"value": {"current": 1, "total": 9, "status": "running", "message": message}},
    ).raise_for_status()


def live(scope: TaskScope) -> str:
    return f"/fragments/live/?q=run:{scope.run_id}"


def test_a_write_is_pushed(
    server: Server, people_server: Server, viewer: Viewer, scope: TaskScope
) -> None:
    put(server, scope, "first of all")
    with pushed(people_server, live(scope), viewer.headers) as stream:
        assert stream.answer.headers["Content-Type"] == "text/event-stream"
        assert stream.answer.headers["Content-Encoding"] == "gzip"
        first = stream.wait_for("page", "first of all")
        put(server, scope, "second to that")
        second = stream.wait_for("page", "second to that")
        stream.wait_for("same")
    polled = httpx.get(people_server.url + live(scope), headers={**viewer.headers, "Accept": "*/*"})
    assert json.loads(second) == polled.text
    assert first != second
    assert [name for name, _ in stream.events].count("page") == 2


def test_what_is_shown_already_is_not_pushed(
    server: Server, people_server: Server, viewer: Viewer, scope: TaskScope
) -> None:
    put(server, scope, "known")
    path = live(scope)
    shown = httpx.get(people_server.url + path, headers={**viewer.headers, "Accept": "*/*"})
    cursor = shown.text.partition('data-cursor="')[2].partition('"')[0]
    with pushed(people_server, f"{path}&cursor={cursor}", viewer.headers) as stream:
        stream.wait_for("same")
        assert "page" not in dict(stream.events)
        put(server, scope, "news")
        stream.wait_for("page", "news")


def test_who_takes_no_compression_gets_none(
    server: Server, people_server: Server, viewer: Viewer, scope: TaskScope
) -> None:
    put(server, scope, "as it is")
    headers = {**viewer.headers, "Accept-Encoding": "identity"}
    with pushed(people_server, live(scope), headers) as stream:
        assert "Content-Encoding" not in stream.answer.headers
        stream.wait_for("page", "as it is")


def test_a_stream_says_how_many_keys_may_hold_a_secret(
    people_server: Server, viewer: Viewer, scope: TaskScope
) -> None:
    with pushed(people_server, live(scope), viewer.headers) as stream:
        assert stream.wait_for("secrets").rstrip("+").isdecimal()


@pytest.mark.parametrize(
    ("path", "status"), [("/fragments/live/", "401"), ("/fragments/t/0/", "401")]
)
def test_a_stream_of_nobody_ends(people_server: Server, path: str, status: str) -> None:
    with pushed(people_server, path, {"Accept": "text/event-stream"}) as stream:
        assert stream.wait_for("ended") == status
        assert stream.is_over(SOON)


def test_cookies_may_come_in_several_headers(people_server: Server, viewer: Viewer) -> None:
    """HTTP/2 sends each by itself (RFC 9113, 8.2.3)."""
    cookies = [("Cookie", f"sessionid={viewer.session}"), ("Cookie", "theme=dark")]
    answer = httpx.get(f"{people_server.url}/fragments/live/", headers=cookies)
    assert answer.status_code == 200


def test_a_stream_of_what_is_not_there_ends(people_server: Server, viewer: Viewer) -> None:
    with pushed(people_server, "/fragments/t/0/", viewer.headers) as stream:
        assert stream.wait_for("ended") == "404"


_LOSE = """
from django.contrib.auth.models import User
User.objects.get(username="{name}").user_permissions.clear()
"""
_LOG_OUT = """
from django.contrib.sessions.models import Session
Session.objects.get(session_key="{session}").delete()
"""


@pytest.mark.slow
@pytest.mark.parametrize(("deed", "status"), [(_LOSE, "403"), (_LOG_OUT, "401")])
def test_who_may_look_on_no_longer_is_pushed_nothing(
    server: Server,
    people_server: Server,
    viewers: list[Viewer],
    scope: TaskScope,
    deed: str,
    status: str,
) -> None:
    viewer = viewers.pop()
    put(server, scope, "begun")
    with pushed(people_server, live(scope), viewer.headers) as stream:
        stream.wait_for("page", "begun")
        people_server.manage(
            "shell", "-v", "0", "-c", deed.format(name=viewer.name, session=viewer.session)
        )
        withdrawn, ended = time.monotonic(), False
        while not ended and time.monotonic() - withdrawn < BELIEVED:
            ended = stream.is_over(0.3)
            put(server, scope, f"{time.monotonic() - withdrawn:.1f} s after it")
        assert stream.events[-1] == ("ended", status)


def test_the_pages_say_that_they_are_pushed(people_server: Server, viewer: Viewer) -> None:
    headers = {"Cookie": viewer.cookie}
    assert " data-push" in httpx.get(f"{people_server.url}/", headers=headers).text


def test_the_other_server_polls(server: Server, people_server: Server, viewer: Viewer) -> None:
    headers = {"Cookie": viewer.cookie}
    assert " data-push" not in httpx.get(f"{server.url}/", headers=headers).text
    answer = httpx.get(f"{server.url}/fragments/live/", headers=viewer.headers)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
