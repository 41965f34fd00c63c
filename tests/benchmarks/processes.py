"""What a deployment's processes take: memory, and the time until they answer."""

import subprocess
import sys
import time
from pathlib import Path

from tests.benchmarks.load import measure
from tests.benchmarks.requests import entry_target
from tests.benchmarks.servers import statestore
from tests.postgresql import postgresql
from tests.server import ROOT


def main(quick: bool = False) -> None:
    """Measure, and print."""
    with postgresql() as database, statestore(database) as server:
        server.stop()
        starts = []
        for _ in range(2 if quick else 5):
            begin = time.monotonic()
            server.start()
            starts.append(time.monotonic() - begin)
            server.stop()
        print(f"start to the first answer: {min(starts):.2f} s (to {max(starts):.2f} s)")  # noqa: T201
        server.start()
        for method in ("PUT", "GET"):
            target = entry_target("statestore", server, "progress", method)
            measure([target], connections=32, seconds=4, rounds=1)
        web = [_megabytes(pid) for pid in _children(server.pid)]
        print(f"web processes after load: {', '.join(f'{size:.0f} MB' for size in web)}")  # noqa: T201
        celery = [sys.executable, "-m", "celery", "-A", "statestore", "worker", "--pool", "solo"]
        beat = [*celery, "--beat", "--without-gossip", "--without-mingle"]
        worker = subprocess.Popen(
            beat, env=server.environment, cwd=ROOT, stdout=-3, stderr=-3, start_new_session=True
        )
        try:
            time.sleep(10)
            sizes = [_megabytes(pid) for pid in (worker.pid, *_children(worker.pid))]
            print(f"worker with beat: {sum(sizes):.0f} MB in {len(sizes)} processes")  # noqa: T201
        finally:
            worker.terminate()
            worker.wait(30)


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


def _megabytes(pid: int) -> float:
    """Its proportional share of what it has in memory."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
