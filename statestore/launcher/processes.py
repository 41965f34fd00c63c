"""The processes of the embedded Statestore, kept running by supervisord."""

import contextlib
import ctypes
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

from statestore.launcher.home import Home, RunFile, write_private

ROOT = Path(__file__).resolve().parent.parent.parent

SUPERVISORD_LOG = "supervisord.log"
PROGRAMS = ("web", "worker", "beat")
_SUPERVISORD = """\
[supervisord]
nodaemon = true
silent = true
logfile = {logs}/{log}
pidfile = {folder}/supervisord.pid
childlogdir = {logs}
user = {user}

; Of one group, the programs are told to end together, not one after the other.
[group:statestore]
programs = {programs}
"""

_PROGRAM = """
[program:{name}]
command = {command}
directory = {root}
autorestart = true
startsecs = 2
startretries = 10
stopwaitsecs = 15
killasgroup = true
redirect_stderr = true
stdout_logfile = {logs}/{name}.log
stdout_logfile_maxbytes = 10MB
stdout_logfile_backups = 2
"""


def web_command(port: int) -> list[str]:
    """The web server. Each task that reports keeps a connection open, and granian takes 1,024 unless told
    otherwise: further ones wait until one closes."""
    options = "--interface wsgi --workers 1 --blocking-threads 4 --workers-kill-timeout 5"
    options += " --backpressure 5000"
    options += f" --host 127.0.0.1 --port {port}"
    return [sys.executable, "-m", "granian", *options.split(), "statestore.wsgi:application"]


def worker_command(name: str) -> list[str]:
    """The worker, which sweeps.

    No two workers of one broker may have the same name: RabbitMQ turns the second away.
    """
    options = "--pool solo --loglevel INFO --without-gossip --without-mingle"
    options += f" --hostname {name}@%h"
    return [sys.executable, "-m", "celery", "-A", "statestore.celery", "worker", *options.split()]


def beat_command() -> list[str]:
    """What tells the worker when. Inside of the worker it would outlive the worker's SIGKILL."""
    return [sys.executable, "-m", "celery", "-A", "statestore.celery", "beat", "--loglevel", "INFO"]


def write_configuration(home: Home, port: int) -> Path:
    """Write supervisord's configuration; its path."""
    (home.logs / SUPERVISORD_LOG).unlink(missing_ok=True)  # of the run before: let_settle reads it
    text = _SUPERVISORD.format(
        logs=_escaped(home.logs),
        log=SUPERVISORD_LOG,
        folder=_escaped(home.folder),
        user=os.getuid(),
        programs=",".join(PROGRAMS),
    )
    commands = (web_command(port), worker_command(f"statestore-{port}"), beat_command())
    for name, command in zip(PROGRAMS, commands, strict=True):
        text += _PROGRAM.format(
            name=name,
            command=_escaped(shlex.join(command)),
            root=_escaped(ROOT),
            logs=_escaped(home.logs),
        )
    path = home.folder / "supervisord.conf"
    write_private(path, text)
    return path


def _escaped(value: object) -> str:
    return str(value).replace("%", "%%")  # what supervisord would expand


def start_supervisor(configuration: Path) -> subprocess.Popen[bytes]:
    """Start supervisord, out of reach of the terminal's Ctrl-C: the launcher stops it in order."""
    return subprocess.Popen(
        [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(configuration)],
        cwd=ROOT,
        start_new_session=True,
        preexec_fn=_end_with_parent,
        stdin=subprocess.DEVNULL,
    )


def let_settle(supervisor: subprocess.Popen[bytes], home: Home) -> None:
    """Wait until supervisord has started its programs.

    A child that is told to end between its fork and its exec does not hear it, and would be killed
    only when its time is up.
    """
    log, end = home.logs / SUPERVISORD_LOG, time.monotonic() + 10
    while supervisor.poll() is None and time.monotonic() < end:
        if log.is_file() and all(f"spawned: '{name}'" in log.read_text() for name in PROGRAMS):
            time.sleep(min(0.5, max(0.0, log.stat().st_mtime + 0.5 - time.time())))
            return
        time.sleep(0.1)


def start_demo(login: RunFile, home: Home) -> subprocess.Popen[bytes] | None:
    """Start the demo, which is a client like any other; None where this copy has none."""
    if not list((ROOT / "examples").glob("demo*")):
        return None
    own = {
        "STATESTORE_URL": login.url,
        "STATESTORE_TOKEN": login.token,
        "DEMO_DIR": str(home.folder / "demo"),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "examples.demo"],
        cwd=ROOT,
        env={**os.environ, **own},
        start_new_session=True,
        preexec_fn=_end_with_parent,
        stdin=subprocess.DEVNULL,
    )


def stop(process: subprocess.Popen[bytes] | None, seconds: float) -> None:
    """Ask a process to end; when it has, or its time is up, end what is left of its group."""
    if process is None:
        return
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


_PR_SET_PDEATHSIG = 1


def _end_with_parent() -> None:
    """On Linux: be told to end when the launcher is killed, so that nothing is left behind."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
