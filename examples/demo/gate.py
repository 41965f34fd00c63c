"""A gate half-way through both tasks: closed while the demo holds it, open once it lets go or ends."""

import contextlib
import fcntl
import time
from collections.abc import Iterator
from pathlib import Path

from statestore.sdk import Progress


@contextlib.contextmanager
def closed(gate: Path) -> Iterator[None]:
    """Let nobody pass before the block is left. The system opens it when this process is killed."""
    with gate.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def wait_at(gate: Path, progress: Progress) -> None:
    """Return once it is open; until then go on reporting."""
    while _is_closed(gate):
        progress.update(0)
        time.sleep(0.1)


def _is_closed(gate: Path) -> bool:
    with gate.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
