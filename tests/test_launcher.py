"""`make run`: starts everything, says where, and leaves nothing behind."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_port
from tests.server import ROOT, answers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts launchers on the test's own var/, and ends those that the test has left."""
    started: list[subprocess.Popen[str]] = []

    def start(port: int | None = None, **variables: str) -> subprocess.Popen[str]:
        own = {
            "DJANGO_SETTINGS_MODULE": "statestore.settings",
            "STATESTORE_VAR_DIR": str(tmp_path / "var"),
            "PORT": str(port or free_port()),
            "SECRET_KEY": "",
            "DATABASE_URL": "",
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "statestore.launcher", "--no-demo"],
            cwd=ROOT,
            env={**os.environ, **own, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.terminate()
        process.communicate(timeout=30)


def run_file(var: Path) -> dict[str, str]:
    """What run.json says, as soon as it is there."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if (var / "run.json").exists():
            found: dict[str, str] = json.loads((var / "run.json").read_text())
            return found
        time.sleep(0.05)
    raise TimeoutError("no run.json")


def processes_with(text: str) -> dict[int, str]:
    """The command lines, by pid, of running processes whose environment has this text."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if text.encode() in (process / "environ").read_bytes():
                line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if line:  # a zombie has none
                    found[int(process.name)] = line
        except OSError:
            continue
    return found


def until(found: Callable[[], Any]) -> Any:
    """What is found, as soon as that is something."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with suppress(OSError):  # a server that does not answer yet
            if what := found():
                return what
        time.sleep(0.1)
    raise TimeoutError


def status_of(run: dict[str, str], token: str) -> int:
    request = urllib.request.Request(
        f"{run['url']}/api/v2/dags/d/dagRuns/r/taskInstances/t/state-store",
        headers={"Authorization": f"Bearer {token}"},
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        return int(answer.status)


def test_it_announces_a_working_server_and_ends_without_a_trace(
    start: Start, tmp_path: Path
) -> None:
    var = tmp_path / "var"
    launcher = start()
    run = run_file(var)

    assert set(run) == {"url", "username", "password", "token"}
    assert status_of(run, run["token"]) == 200
    assert len(processes_with(str(var))) >= 5  # launcher, supervisord, web, worker, beat
    for name in ("run.json", "secret-key", "admin-password", "api-token"):
        assert stat.S_IMODE((var / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(var.stat().st_mode) == 0o700

    launcher.send_signal(signal.SIGTERM)
    out, err = launcher.communicate(timeout=30)

    assert (launcher.returncode, err) == (0, "")
    for said in run.values():
        assert said in out
    assert not (var / "run.json").exists()
    assert processes_with(str(var)) == {}
    assert not answers(run["url"])


def test_a_second_start_keeps_login_token_and_data(start: Start, tmp_path: Path) -> None:
    runs, port = [], free_port()
    for _ in range(2):
        launcher = start(port)
        runs.append(run_file(tmp_path / "var"))
        assert status_of(runs[-1], runs[0]["token"]) == 200
        launcher.send_signal(signal.SIGINT)
        launcher.communicate(timeout=30)
        assert launcher.returncode == 0

    assert runs[0] == runs[1]


def test_a_second_one_beside_the_first_says_where_the_first_is(
    start: Start, tmp_path: Path
) -> None:
    start()
    run = run_file(tmp_path / "var")

    second = start()
    out, err = second.communicate(timeout=30)

    assert (second.returncode, out) == (1, "")
    assert run["url"] in err
    assert err.count("\n") == 1
    assert status_of(run, run["token"]) == 200  # the first was left alone


def test_a_killed_worker_is_replaced_and_leaves_nothing(start: Start, tmp_path: Path) -> None:
    var = str(tmp_path / "var")
    launcher = start()
    run_file(Path(var))

    def workers() -> set[int]:
        return {pid for pid, line in processes_with(var).items() if " worker " in line}

    before = until(workers)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    until(lambda: workers() - before)
    launcher.terminate()
    launcher.communicate(timeout=40)

    assert launcher.returncode == 0
    assert processes_with(var) == {}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands orphans on")
@pytest.mark.parametrize("victim", ["granian", "supervisord"])
def test_what_outlives_a_killed_parent_is_ended(start: Start, tmp_path: Path, victim: str) -> None:
    var = str(tmp_path / "var")
    launcher = start()
    run = run_file(Path(var))
    killed = min(pid for pid, line in processes_with(var).items() if victim in line)

    os.kill(killed, signal.SIGKILL)
    if victim == "granian":  # another web server takes the port
        until(
            lambda: [p for p, line in processes_with(var).items() if victim in line and p > killed]
        )
        until(lambda: status_of(run, run["token"]) == 200)
        launcher.terminate()
    launcher.communicate(timeout=60)

    assert launcher.returncode == (0 if victim == "granian" else 1)
    assert processes_with(var) == {}


def test_a_killed_launcher_leaves_no_process_and_can_be_started_again(
    start: Start, tmp_path: Path
) -> None:
    var = tmp_path / "var"
    launcher = start()
    run_file(var)

    launcher.kill()
    launcher.communicate(timeout=30)
    end = time.monotonic() + 30
    while processes_with(str(var)) and time.monotonic() < end:
        time.sleep(0.1)

    assert processes_with(str(var)) == {}
    (var / "run.json").unlink()  # which the next start does too, but when?
    again = start()
    run = run_file(var)
    assert status_of(run, run["token"]) == 200
    assert again.poll() is None


@pytest.mark.parametrize("signal_after", [0.0, 0.7, 1.4])
def test_a_stop_while_it_starts_is_a_stop(
    start: Start, tmp_path: Path, signal_after: float
) -> None:
    launcher = start()
    while not (tmp_path / "var" / "lock").exists():
        time.sleep(0.01)
    time.sleep(signal_after)

    launcher.send_signal(signal.SIGTERM)
    _, err = launcher.communicate(timeout=30)

    assert (launcher.returncode, err) == (0, "")
    assert processes_with(str(tmp_path / "var")) == {}


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"PORT": "eighty"}, "PORT='eighty' is no port"),
        ({"PORT": "0"}, "PORT='0' is no port"),
        ({"PORT": "70000"}, "PORT='70000' is no port"),
        ({"STATESTORE_SWEEP_SECONDS": "0"}, "STATESTORE_SWEEP_SECONDS='0' cannot be used"),
        ({"DATABASE_URL": "mysql://host/name"}, "DATABASE_URL names no database"),
        ({"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x"}, "the database cannot be used"),
    ],
    ids=lambda value: next(iter(value.items()))[1] if isinstance(value, dict) else "",
)
def test_what_is_set_wrong_gets_one_line(
    start: Start, variables: dict[str, str], says: str
) -> None:
    launcher = start(**variables)

    out, err = launcher.communicate(timeout=30)

    assert (launcher.returncode, out) == (1, "")
    assert err.startswith("statestore: ")
    assert says in err
    assert err.count("\n") == 1


def test_a_port_that_is_taken_gets_one_line(start: Start) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        launcher = start(port)
        _, err = launcher.communicate(timeout=30)

    assert launcher.returncode == 1
    assert err == (
        f"statestore: Port {port} is taken, or not yours to use:"
        " set PORT to another, or leave it out.\n"
    )
