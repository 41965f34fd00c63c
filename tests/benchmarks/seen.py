"""1,000 people who look at Live, all on one web process: how soon they see a write, and what they cost."""

import random
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx

from tests.benchmarks.browsers import EVERY
from tests.benchmarks.load import Target, measure
from tests.benchmarks.requests import entry_target
from tests.benchmarks.servers import statestore
from tests.benchmarks.viewers import compare, sessions, viewers
from tests.postgresql import postgresql

VIEWERS = 1000
TIMED = 10  # of them, each as a browser asks
TASKS, LOADED = 50, 40  # on the page, and of these such as are written all the time under load
PAUSE = 1.5, 3.0  # seconds between two writes
PAGE = "/fragments/live/"


def main(quick: bool = False) -> None:
    """Measure, and print."""
    writes, rounds = (10, 1) if quick else (40, 4)
    with postgresql() as database, statestore(database, workers=1) as server:
        cookies = sessions(server, VIEWERS)
        keys = f"{server.url}/api/v2/dags/bench/dagRuns/run/taskInstances"
        headers = {"Authorization": f"Bearer {server.token}"}
        target = entry_target("statestore", server, "progress", "PUT", tasks=LOADED)
        with httpx.Client(headers=headers, timeout=30) as worker:
            for number in range(TASKS):
                _write(worker, f"{keys}/task-{number}", "begun")
            with viewers(server, [PAGE], cookies[TIMED:]):
                seen = _seen(worker, keys, server.url, cookies[:TIMED], writes)
                _show("while nobody else writes", seen)
                with _load(target):
                    seen = _seen(worker, keys, server.url, cookies[:TIMED], writes)
                _show("at full load", seen)
        compare(server, "Live", target, [PAGE], cookies, rounds=rounds)


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
            measure([target], connections=8, seconds=5, rounds=1)

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
    worker: httpx.Client, keys: str, url: str, cookies: list[str], writes: int
) -> list[float]:
    """Seconds from each write, once it is answered, until each of those who are timed has it."""
    browsers = [_Browser(url, cookie) for cookie in cookies]
    found: list[float] = []
    with ThreadPoolExecutor(len(browsers)) as threads:
        running = [threads.submit(browser.look_on) for browser in browsers]
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


class _Browser:
    """Asks as an open page does: when the server says, with the cursor of what it shows."""

    def __init__(self, url: str, cookie: str) -> None:
        self._client = httpx.Client(base_url=url, headers={"Cookie": cookie}, timeout=30)
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

    def look_on(self) -> None:
        """Ask until it is over."""
        cursor, wait = "", 0.0
        while not self.ended.wait(wait):
            answer = self._client.get(PAGE, params={"cursor": cursor}).raise_for_status()
            if answer.status_code == httpx.codes.OK:
                cursor = answer.text.partition('data-cursor="')[2].partition('"')[0]
                if self._wanted and self._wanted in answer.text and not self._found.is_set():
                    self._at = time.monotonic()
                    self._found.set()
            wait = float(answer.headers.get("Statestore-Ask-Again", 1000 * EVERY)) / 1000
        self._client.close()
