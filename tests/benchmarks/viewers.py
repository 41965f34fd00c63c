"""What people who look on cost those who write: PUT beside 200 browsers, and without them."""

import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass
from pathlib import Path

from tests.benchmarks.load import Target, measure_one, ratio
from tests.benchmarks.requests import entry_target
from tests.benchmarks.servers import statestore
from tests.postgresql import postgresql
from tests.server import ROOT, Server
from tests.viewers import new_viewers

VIEWERS = 200
SECONDS = 6.0
FORGOTTEN = 11.0  # seconds after which nothing is read any longer for those who looked on before
SETTLED = 180  # seconds in which everybody must have been looked up

_TASKS = """
from statestore.models import TaskInstance
print(*TaskInstance.objects.order_by("pk").values_list("pk", flat=True))
"""


def main(quick: bool = False) -> None:
    """Measure, and print."""
    rounds = 1 if quick else 4
    with postgresql() as database, statestore(database) as server:
        target = entry_target("statestore", server, "progress", "PUT", tasks=VIEWERS)
        cookies = sessions(server, VIEWERS)
        measure_one(target, connections=8, seconds=1)
        pages = _pages(server)
        for name in list(pages)[:1] if quick else pages:
            compare(server, name, target, pages[name], cookies, rounds=rounds)


def compare(
    server: Server,
    name: str,
    target: Target,
    pages: list[str],
    cookies: list[str],
    *,
    rounds: int,
    by: str = "polls",
) -> None:
    """Measure PUT beside as many viewers of a server as there are cookies and alone, in turn, and print."""
    alone, watched, answers = [], [], Answers()
    with viewers(server, pages, cookies, by=by) as looking:
        for turn in range(rounds):
            if turn:
                looking.go_on()
            began = time.time()
            watched.append(_rate(target))
            answers += looking.answers(began, time.time())
            looking.pause()
            alone.append(_rate(target))
    print(  # noqa: T201
        f"{len(cookies)} on {name}: PUT {statistics.median(alone):6.0f} a second alone,"
        f" {statistics.median(watched):6.0f} beside them: {ratio(watched, alone)}"
        f", of all {sum(watched) / sum(alone):.2f}; {answers}",
        flush=True,
    )


def _rate(target: Target) -> float:
    """Over some seconds: the machine may slow down for one of them, whatever is measured."""
    return measure_one(target, connections=8, seconds=SECONDS).rate


def sessions(server: Server, viewers: int) -> list[str]:
    """The cookies of so many users who may view everything."""
    return [viewer.cookie for viewer in new_viewers(server, viewers)]


def _pages(server: Server) -> dict[str, list[str]]:
    """The fragments that are polled: the list that shows every write, one task, and each another."""
    ids = server.manage("shell", "-v", "0", "-c", _TASKS).split()
    tasks = [f"/fragments/t/{number}/" for number in ids]
    return {"Live": ["/fragments/live/"], "one task": tasks[:1], "as many tasks": tasks}


@dataclass(frozen=True)
class Answers:
    """What viewers were answered in so many seconds."""

    seconds: float = 0
    changed: int = 0
    unchanged: int = 0
    busy: int = 0
    """Of those who were told to come again, since they were not looked up, or nothing was read yet."""

    def __add__(self, other: "Answers") -> "Answers":
        """Those of both times."""
        return Answers(*map(sum, zip(astuple(self), astuple(other), strict=True)))

    def __str__(self) -> str:
        """As rates."""
        rates = (each / (self.seconds or 1) for each in (self.changed, self.unchanged, self.busy))
        return "{:.0f} new pages a second, {:.0f} unchanged, {:.0f} busy".format(*rates)


class Viewers:
    """So many who look on, in a process of their own."""

    def __init__(self, command: list[str], count: int, log: Path) -> None:
        self._command, self._count, self._log = command, count, log
        self._process: subprocess.Popen[bytes] | None = None

    def go_on(self) -> None:
        """Look on, and wait until everybody knows how things are.

        Raises:
            RuntimeError: they do not get to know it.
        """
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command, cwd=ROOT, stdout=log)
        for _ in range(SETTLED):
            time.sleep(1)
            lines = self._lines()
            if lines and lines[-1][-1] == self._count:
                return
        raise RuntimeError(f"the viewers were not served: {self._log.read_text()}")

    def pause(self) -> None:
        """Look away, until nothing is read for them any longer."""
        self.end()
        time.sleep(FORGOTTEN)

    def answers(self, since: float, until: float) -> Answers:
        """What they were answered between two times, about.

        Raises:
            RuntimeError: nothing, or they did not look on.
        """
        found = Answers(until - since)
        for second, changed, unchanged, busy, _ in self._lines():
            if since <= second < until:
                found += Answers(0, changed, unchanged, busy)
        if not found.changed + found.unchanged > found.busy:
            raise RuntimeError(f"the viewers were not served: {found}")
        return found

    def _lines(self) -> list[list[int]]:
        lines = self._log.read_text().splitlines(keepends=True)
        return [
            [int(word) for word in line.split()]
            for line in lines
            if line[0].isdigit() and line.endswith("\n")
        ]

    def end(self) -> None:
        """End the process.

        Raises:
            RuntimeError: some were answered with an error.
        """
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
        last = (self._log.read_text().splitlines() or ["nothing"])[-1]
        if last != "bad 0":
            raise RuntimeError(f"the viewers were not all answered: {last}")


@contextmanager
def viewers(
    server: Server, pages: list[str], cookies: list[str], *, by: str = "polls"
) -> Iterator[Viewers]:
    """So many look on as there are cookies, each at the next of the pages, by polls or by pushes."""
    with tempfile.TemporaryDirectory() as name:
        of, at, log = Path(name) / "cookies", Path(name) / "pages", Path(name) / "log"
        of.write_text("\n".join(cookies))
        at.write_text("\n".join(pages))
        command = [sys.executable, "-m", "tests.benchmarks.browsers", by, str(server.port)]
        looking = Viewers([*command, str(of), str(at)], len(cookies), log)
        try:
            looking.go_on()
            yield looking
        except BaseException:  # which says more than what became of them
            with suppress(RuntimeError):
                looking.end()
            raise
        looking.end()
