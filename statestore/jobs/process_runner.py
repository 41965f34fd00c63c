"""Runs one command for `process.py`, in a process that no worker's end touches.

Started as a program, with the folder of a submission. Imports nothing of the project, so that it can.
"""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

JOB: Final = "job.json"  # what to run
CLAIM: Final = "claim.json"  # which process runs it: there is one
COMMAND: Final = "command.json"  # the command's own process
END: Final = "end.json"  # how it ended
OUTPUT: Final = "output"
ERROR: Final = "error"


def main(folder: Path) -> int:
    """Claim the folder, then run its command in the background."""
    identity_of_child, tell = os.pipe()
    if child := os.fork():
        os.close(tell)
        os.read(identity_of_child, 1)  # returns once the child has claimed, or is gone
        return 0 if (folder / CLAIM).exists() else os.waitpid(child, os.WNOHANG)[1] or 1
    os.close(identity_of_child)
    if not claim(folder):
        return 0
    os.close(tell)
    run(folder)
    return 0


def claim(folder: Path) -> bool:
    """Make this process the folder's only runner; whether it is."""
    mine = folder / f"{CLAIM}.{os.getpid()}"
    mine.write_text(json.dumps(identity(os.getpid())))
    try:
        os.link(mine, folder / CLAIM)  # fails where it exists; what it shows is whole
    except FileExistsError:
        return False
    finally:
        mine.unlink()
    return True


def run(folder: Path) -> None:
    """Run the command, and write down how it ended."""
    job = read(folder / JOB)
    assert job is not None  # noqa: S101 - written before the runner was started
    with (folder / OUTPUT).open("wb") as output, (folder / ERROR).open("wb") as error:
        command = os.fork()
        if command == 0:
            start(folder, job, output.fileno(), error.fileno())
    _, status = os.waitpid(command, 0)
    write(folder / END, {"exit_status": os.waitstatus_to_exitcode(status)})


def start(folder: Path, job: dict[str, Any], output: int, error: int) -> None:
    """Become the command. It is known by its identity before it does anything."""
    try:
        os.setpgid(0, 0)
        write(folder / COMMAND, identity(os.getpid()))
        os.dup2(output, 1)
        os.dup2(error, 2)
        os.chdir(job["cwd"])
        os.execvpe(job["command"][0], job["command"], {**os.environ, **job["environment"]})  # noqa: S606
    except OSError as problem:
        os.write(error, f"{job['command'][0]}: {problem}\n".encode())
    finally:
        os._exit(127)


def identity(pid: int) -> dict[str, Any]:
    """A process id is used again; with the time of its start it is not."""
    return {"pid": pid, "started": started(pid), "host": os.uname().nodename}


def is_alive(process: dict[str, Any]) -> bool:
    """Whether this very process exists and has not ended."""
    return started(process["pid"]) == str(process["started"])


def started(pid: int) -> str | None:
    """When a process started, exact and in the system's own words; None where it has ended."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
            return None if state in "ZX" else f"{boot}-{fields[18]}"  # proc(5): starttime
        return None
    shown = subprocess.run(  # noqa: S603 - fixed
        ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split(maxsplit=1)
    return (
        None if len(shown) < 2 or shown[0].startswith("Z") else shown[1].strip().replace(":", ".")
    )


def read(path: Path) -> dict[str, Any] | None:
    """A file of the folder; None where it is not there."""
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError:
        return None


def write(path: Path, value: dict[str, Any]) -> None:
    """Write a file so that nobody ever sees half of it."""
    part = path.with_name(f"{path.name}.{os.urandom(4).hex()}")
    part.write_text(json.dumps(value))
    part.replace(path)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
