"""1,000 people who look at Live: how soon they see a write, and what they cost.

By polls they ask the web processes that take the writes; pushes come from one of its own, as it is deployed.
"""

import random
import statistics
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

import httpx

from tests.benchmarks.browsers import EVERY
from tests.benchmarks.load import Target, measure_one
from tests.benchmarks.requests import entry_target
from tests.benchmarks.servers import people, statestore
from tests.benchmarks.viewers import compare, sessions, viewers
from tests.postgresql import postgresql

VIEWERS = 1000
TIMED = 10  # of them, each as a browser asks
TASKS, LOADED = 50, 40  # on the page, and of these such as are written all the time under load
PAIRS = 20  # of rounds beside viewers and alone, which differ by more than what viewers cost
PAUSE = 1.5, 3.0  # seconds between two writes
PAGE = "/fragments/live/"


def main(quick: bool = False) -> None:
    """Measure, and print."""
    writes = 10 if quick else 40
    with (
        postgresql() as database,
        statestore(database) as server,
        people(server) as pushing,
    ):
        cookies = sessions(server, VIEWERS)
        keys = f"{server.url}/api/v2/dags/bench/dagRuns/run/taskInstances"
        headers = {"Authorization": f"Bearer {server.token}"}
        target = entry_target("statestore", server, "progress", "PUT", tasks=LOADED)
        with httpx.Client(headers=headers, timeout=30) as worker:
            for number in range(TASKS):
                _write(worker, f"{keys}/task-{number}", "begun")
            for by, asked, rounds in (("pushes", pushing, PAIRS), ("polls", server, PAIRS // 3)):
                browsers = [_BROWSERS[by](asked.url, cookie) for cookie in cookies[:TIMED]]
                with viewers(asked, [PAGE], cookies[TIMED:], by=by):
                    _show(
                        f"by {by}, while nobody else writes", _seen(worker, keys, browsers, writes)
                    )
                    with _load(target):
                        seen = _seen(worker, keys, browsers, writes)
                    _show(f"by {by}, at full load", seen)
                compare(
                    asked,
                    f"Live, by {by}",
                    target,
                    [PAGE],
                    cookies,
                    rounds=1 if quick else rounds,
                    by=by,
                )


def _show(when: str, seen: list[float]) -> None:
    seen = sorted(seen)
    print(  # noqa: T201
        f"{len(seen)} sightings {when}: {statistics.median(seen):.2f} s median,"
        f" {seen[int(0.95 * len(seen))]:.2f} p95, {seen[-1]:.2f} at most",
        flush=True,
    )


@contextmanager
def _load(target: Target) -> Iterator[None]:
    """As many write to the other tasks as the server takes."""
    ended = threading.Event()

    def write() -> None:
        while not ended.is_set():
            measure_one(target, connections=8, seconds=5)

    with ThreadPoolExecutor(1) as threads:
        writing = threads.submit(write)
        try:
            yield
        finally:
            ended.set()
        writing.result()


def _write(worker: httpx.Client, task: str, message: str) -> None:
    value = {
        "current": random.randrange(1000),
        "total": 1000,
        "status": "running",
        "message": message,
    }
    worker.put(f"{task}/state-store/progress", json={"value": value}).raise_for_status()


def _seen(
    worker: httpx.Client, keys: str, browsers: Sequence["_Browser"], writes: int
) -> list[float]:
    """Seconds from each write, once it is answered, until each of those who are timed has it."""
    found: list[float] = []
    for browser in browsers:
        browser.ended.clear()
    with ThreadPoolExecutor(len(browsers)) as threads:
        running = [threads.submit(browser.until_ended) for browser in browsers]
        try:
            for number in range(writes):
                time.sleep(random.uniform(*PAUSE))
                message = f"write {number} is seen"
                for browser in browsers:
                    browser.wait_for(message)
                _write(worker, f"{keys}/task-{random.randrange(LOADED, TASKS)}", message)
                written = time.monotonic()
                found += [browser.seen() - written for browser in browsers]
        finally:
            for browser in browsers:
                browser.ended.set()
        for thread in running:
            thread.result()
    return found


class _Browser(ABC):
    """An open page that is timed."""

    def __init__(self, url: str, cookie: str) -> None:
        self._url, self._cookie = url, cookie
        self.ended = threading.Event()
        self._wanted, self._at = "", 0.0
        self._found = threading.Event()

    def wait_for(self, text: str) -> None:
        """Notice when this is on the page."""
        self._found.clear()
        self._wanted = text

    def seen(self) -> float:
        """When it was, by the monotonic clock."""
        if not self._found.wait(30):
            raise TimeoutError(f"not seen within 30 s: {self._wanted}")
        return self._at

    def until_ended(self) -> None:
        """Look on until it is over."""
        with httpx.Client(
            base_url=self._url, headers={"Cookie": self._cookie}, timeout=30
        ) as client:
            self._look_on(client)

    def _shown(self, text: str) -> None:
        if self._wanted and self._wanted in text and not self._found.is_set():
            self._at = time.monotonic()
            self._found.set()

    @abstractmethod
    def _look_on(self, client: httpx.Client) -> None: ...


class _Polling(_Browser):
    """Asks when the server says, with the cursor of what it shows."""

    def _look_on(self, client: httpx.Client) -> None:
        cursor, wait = "", 0.0
        while not self.ended.wait(wait):
            answer = client.get(PAGE, params={"cursor": cursor}).raise_for_status()
            if answer.status_code == httpx.codes.OK:
                cursor = answer.text.partition('data-cursor="')[2].partition('"')[0]
                self._shown(answer.text)
            wait = float(answer.headers.get("Statestore-Ask-Again", 1000 * EVERY)) / 1000


class _Listening(_Browser):
    """Is pushed to."""

    def _look_on(self, client: httpx.Client) -> None:
        accept = {"Accept": "text/event-stream"}
        with client.stream("GET", PAGE, headers=accept) as answer:
            for line in answer.iter_lines():
                self._shown(line)
                if self.ended.is_set():
                    return


_BROWSERS: Final[dict[str, type[_Browser]]] = {"polls": _Polling, "pushes": _Listening}
