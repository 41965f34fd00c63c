"""What a deployment's processes take: memory, and the time until they answer."""

import sys
import time
from pathlib import Path

from tests.benchmarks.load import measure_one
from tests.benchmarks.requests import entry_target
from tests.benchmarks.servers import beat, people, running, statestore, worker
from tests.benchmarks.viewers import sessions, viewers
from tests.postgresql import postgresql

VIEWERS = 1000

# What beat sends in the course of a day; the sweep, which leaves a trace, after the others.
_RUN_ALL = """
import time
from django.conf import settings
from statestore.celery import app
from statestore.models import SweepRun
sweep, before, end = "statestore.tasks.sweep_expired", SweepRun.objects.count(), time.monotonic() + 60
names = {one["task"] for one in settings.CELERY_BEAT_SCHEDULE.values()}
for name in (*names - {sweep}, sweep):
    app.send_task(name)
    time.sleep(0.01)  # the folder has them in the order of milliseconds
while SweepRun.objects.count() == before:
    assert time.monotonic() < end, "the worker has not swept"
    time.sleep(0.2)
"""


def main(quick: bool = False) -> None:
    """Measure, and print."""
    never = "86400"  # but when told to
    with (
        postgresql() as database,
        statestore(database, STATESTORE_SWEEP_SECONDS=never) as server,
    ):
        server.stop()
        starts = []
        for _ in range(2 if quick else 5):
            begin = time.monotonic()
            server.start()
            starts.append(time.monotonic() - begin)
            server.stop()
        print(f"start to the first answer: {min(starts):.2f} to {max(starts):.2f} s")  # noqa: T201
        server.start()
        for method in ("PUT", "GET"):
            target = entry_target("statestore", server, "progress", method)
            measure_one(target, connections=32, seconds=4)
        sizes = [f"{_megabytes(pid):.0f} MB" for pid in (*_children(server.pid), server.pid)]
        print(f"web processes after load, the last one starts them: {', '.join(sizes)}")  # noqa: T201
        with (
            people(server) as pushing,
            viewers(pushing, ["/fragments/live/"], sessions(server, VIEWERS), by="pushes"),
        ):
            (pid,) = _children(pushing.pid)
            print(f"people's process, {VIEWERS} pushed to: {_megabytes(pid):.0f} MB")  # noqa: T201
        inside = [sys.executable, "-m", "celery", "-A", "statestore.celery", "worker", "--beat"]
        inside += ["--pool", "solo", "--without-gossip", "--without-mingle"]
        with running(inside, server.environment) as both:
            server.manage("shell", "-v", "0", "-c", _RUN_ALL)
            print(f"worker with beat: {_with_children(both)}")  # noqa: T201
        with worker(server) as one, beat(server) as other:
            server.manage("shell", "-v", "0", "-c", _RUN_ALL)
            print(f"worker: {_with_children(one)}; beat: {_with_children(other)}", flush=True)  # noqa: T201


def _with_children(pid: int) -> str:
    sizes = [_megabytes(one) for one in (pid, *_children(pid))]
    return f"{sum(sizes):.0f} MB in {len(sizes)} processes"


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


def _megabytes(pid: int) -> float:
    """Its proportional share of what it has in memory."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
