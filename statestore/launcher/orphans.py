"""On Linux: processes of ours whose parent was killed come to the launcher, which ends them.

A web worker that outlives its web server would keep the port, and answer on.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import Final

MARK: Final = "STATESTORE_PROGRAM"
"""The variable in the environment of every process that supervisord starts."""

_PR_SET_CHILD_SUBREAPER: Final = 36


def adopt() -> None:
    """From now on, descendants whose parent ends become children of this process."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def end() -> None:
    """End the ones that have come. Others (the demo's external job) are left alone."""
    if sys.platform != "linux":
        return
    for pid in _children():
        if _is_marked(pid):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _children() -> list[int]:
    return [int(path.name) for path in Path("/proc").glob("[0-9]*") if _parent(path) == os.getpid()]


def _parent(process: Path) -> int | None:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])  # proc(5): ppid
    except OSError:
        return None


def _is_marked(pid: int) -> bool:
    try:
        return f"\0{MARK}=".encode() in b"\0" + Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
