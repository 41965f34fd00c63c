"""Runs one command for `process.py` and `ssh.py`, in a process that no worker's end touches.

A program for the host that the command runs on: it imports nothing of the project, and needs Python 3.8.
`process.py` starts it with the folder of a submission; `ssh.py` sends it there, with what it asks for.
"""

from __future__ import annotations  # for Pythons that do not know `X | None`

import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

JOB: Final = "job.json"  # what to run
CLAIM: Final = "claim.json"  # which process runs it: there is one
COMMAND: Final = "command.json"  # the command's own process
END: Final = "end.json"  # how it ended
CANCEL: Final = "cancel"  # it is to end, also if it has not begun yet
OUTPUT: Final = "output"
ERROR: Final = "error"

NOT_RUN: Final = 127  # the exit status where the command could not be run, as a shell has it

# --- what can be asked for ---


def answer(request: dict[str, Any]) -> None:
    """Print what `ssh.py` asks for as JSON, on a line of its own that begins with the request's mark."""
    folder = Path(request["folder"]).expanduser()
    try:
        if request["action"] == "submit":
            prepare(folder, request["job"])
            submit(folder)
        elif request["action"] == "cancel":
            cancel(folder)
        seen = look(folder)
        if request["action"] == "result":
            for name in (OUTPUT, ERROR):
                seen[name] = base64.b64encode(tail(folder / name, request["bytes"])).decode()
    except OSError as problem:
        seen = {"problem": str(problem)}
    print(f"\n{request['mark']}{json.dumps(seen)}", flush=True)  # noqa: T201 - it is the answer


def prepare(folder: Path, job: dict[str, Any]) -> None:
    """Make the folder of a submission, with what to run."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write(folder / JOB, job)


def submit(folder: Path) -> None:
    """Run the folder's command in the background, unless a runner has claimed it before.

    Raises:
        OSError: it could not be claimed.
    """
    problem, tell = os.pipe()
    if os.fork() == 0:
        run_in_background(folder, tell)
    os.close(tell)
    with os.fdopen(problem) as told:  # ends once the child has claimed, or is gone
        text = told.read()
    if not (folder / CLAIM).exists():
        raise OSError(text or f"the runner of {folder} was ended before it could claim it")


def look(folder: Path) -> dict[str, Any]:
    """Who has claimed the folder, whether its processes live, and how its command has ended."""
    # Its end is looked for before and after: it may end between the two looks.
    ended = read(folder / END)
    claimed, command = read(folder / CLAIM), read(folder / COMMAND)
    alive = ended is None and any(map(is_alive, filter(None, (claimed, command))))
    ended = ended or read(folder / END)
    return {
        "host": os.uname().nodename,
        "machine": machine(),
        "folder": str(folder),
        "claim": claimed,
        "alive": alive,
        "exit_status": None if ended is None else ended["exit_status"],
        "because": None if ended is None else ended.get("because"),
    }


def cancel(folder: Path) -> None:
    """Ask the command's process group to end (SIGTERM); what has ended, or is not there, is left as it is."""
    if not (folder / CLAIM).exists() or (folder / END).exists():
        return
    (
        folder / CANCEL
    ).touch()  # first: a command that is not known yet looks for it before it begins
    command = read(folder / COMMAND)
    if command and is_alive(command):
        with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
            os.killpg(command["pid"], signal.SIGTERM)


def tail(file: Path, size: int) -> bytes:
    """The last bytes of a file; none where it is not there."""
    with contextlib.suppress(FileNotFoundError), file.open("rb") as content:
        content.seek(max(0, content.seek(0, os.SEEK_END) - size))
        return content.read()
    return b""


# --- the runner ---


def run_in_background(folder: Path, tell: int) -> None:
    """Be the runner: in a session of its own, with nothing open that anybody waits for but `tell`."""
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(nothing, standard)
        if claim(folder):
            os.close(tell)
            run(folder)
    except OSError as problem:
        with contextlib.suppress(OSError):  # nobody listens any more
            os.write(tell, str(problem).encode())
    finally:
        os._exit(0)


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
    try:
        with (folder / OUTPUT).open("wb") as output, (folder / ERROR).open("wb") as error:
            command = os.fork()
            if command == 0:
                start(folder, job, output.fileno(), error.fileno())
    except OSError as problem:
        write(folder / END, {"exit_status": NOT_RUN, "because": f"it could not begin: {problem}"})
        return
    _, status = os.waitpid(command, 0)
    killed = os.WIFSIGNALED(status)
    exit_status = -os.WTERMSIG(status) if killed else os.WEXITSTATUS(status)
    write(folder / END, {"exit_status": exit_status})


def start(folder: Path, job: dict[str, Any], output: int, error: int) -> None:
    """Become the command. It is known by its identity before it does anything."""
    try:
        os.setpgid(0, 0)
        write(folder / COMMAND, identity(os.getpid()))
        if (folder / CANCEL).exists():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
        os.dup2(output, 1)
        os.dup2(error, 2)
        os.chdir(job["cwd"])
        os.execvpe(job["command"][0], job["command"], {**os.environ, **job["environment"]})  # noqa: S606
    except OSError as problem:
        os.write(error, f"{job['command'][0]}: {problem}\n".encode())
    finally:
        os._exit(NOT_RUN)


def identity(pid: int) -> dict[str, Any]:
    """A process id is used again; with the time of its start it is not."""
    return {
        "pid": pid,
        "started": started(pid),
        "host": os.uname().nodename,
        "machine": machine(),
    }


def machine() -> str:
    """This machine's name, with what no other one of that name has, where the system tells it."""
    told = ""
    with contextlib.suppress(OSError):
        told = Path("/etc/machine-id").read_text().strip()[:12]
    return f"{os.uname().nodename}/{told}" if told else os.uname().nodename


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


# --- its files ---


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
    try:
        submit(Path(sys.argv[1]))
    except OSError as problem:
        sys.exit(str(problem))
