"""On Linux: processes of ours whose parent was killed come to the launcher, which ends them.

A web worker that outlives its web server would keep the port, and answer on.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Final

_PR_SET_CHILD_SUBREAPER: Final = 36


def adopt() -> None:
    """From now on, descendants whose parent ends become children of this process."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def end(leaders: Container[int]) -> None:
    """End those that have come of the sessions that the launcher's own children lead; bury the dead.

    Others, such as external jobs, have a session of their own and are left alone; so are the leaders.
    """
    if sys.platform != "linux":
        return
    for pid, state, session in _children():
        if pid in leaders:
            continue
        if session in leaders:
            os.kill(pid, signal.SIGKILL)
        if session in leaders or state == "Z":
            os.waitpid(pid, 0)


def _children() -> Iterator[tuple[int, str, int]]:
    """The pid, state and session of every child of this process."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            fields = (process / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        state, parent, _, session = fields[:4]  # proc_pid_stat(5)
        if int(parent) == os.getpid():
            yield int(process.name), state, int(session)
