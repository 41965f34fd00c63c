"""`make run`: starts everything, says where, and leaves nothing behind."""

import json
import os
import re
import select
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
from urllib.error import HTTPError

import pytest

from examples.demo.packages import Verified, recorded_files
from statestore.launcher import processes
from statestore.launcher.home import CannotStartError
from statestore.launcher.port import reserved_port
from statestore.sdk import StateStore
from tests.ports import free_port
from tests.server import ROOT, answers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts launchers on the test's own var/, and ends those that the test has left."""
    started: list[subprocess.Popen[str]] = []

    def start(
        port: int | None = None, *, demo: bool = False, **variables: str
    ) -> subprocess.Popen[str]:
        own = {
            "DJANGO_SETTINGS_MODULE": "statestore.settings",
            "STATESTORE_VAR_DIR": str(tmp_path / "var"),
            "PORT": str(port or free_port()),
            "SECRET_KEY": "",
            "DATABASE_URL": "",
            "DEMO_SECONDS": "5",
        }
        command = [sys.executable, "-m", "statestore.launcher"]
        process = subprocess.Popen(
            command if demo else [*command, "--no-demo"],
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
        process.communicate(timeout=60)


def run_file(var: Path) -> dict[str, str]:
    """What run.json says, as soon as it is there."""
    end = time.monotonic() + 90
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
    end = time.monotonic() + 60
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


# What `make run` says, line by line.
STORY = r"""
Statestore is running at (?P<url>.+)
  login   admin / (?P<password>.+)
  token   (?P<token>.+)
  files   (?P<var>.+) \(run\.json has the same; logs are in log/\)
  stop    Ctrl-C
demo  Two Celery tasks start in worker (?P<first>\d+); watch them at (?P<page>.+)/
      verify_packages: the SHA-256 of (?P<total>[\d,]+) installed files, paced for you to watch
      compress_folder: an external process that compresses Django's folder
demo  Worker (?P<killed>\d+) was killed with SIGKILL in the middle of both\.
      The store has: (?P<verified>[\d,]+) files verified, job (?P<job>.+), which runs on
demo  Worker (?P<second>\d+) gets the same two messages again\.
demo  Both tasks are done\. Now the same once more, undisturbed, to compare\.
      ok    Attempt 2 skipped (?P<skipped>[\d,]+) of (?P<files>[\d,]+) files\.
      ok    The external job was reconnected to: 1 submission, not 2 \((?P<same_job>.+)\)\.
      ok    (?P<once>[\d,]+) files verified, each once; the digest is that of the undisturbed run\.
      ok    The archive is the same, byte for byte, as that of the undisturbed run\.
"""


def story_of(launcher: subprocess.Popen[str]) -> dict[str, Any]:
    """What the lines name, once all of them were said."""
    assert launcher.stdout is not None
    found: dict[str, Any] = {}
    for expected in STORY.strip("\n").splitlines():
        said = launcher.stdout.readline().rstrip("\n")
        match = re.fullmatch(expected, said)
        assert match, f"{said!r} is not {expected!r}"
        for name, text in match.groupdict().items():
            number = text.replace(",", "")
            found[name] = int(number) if number.isdigit() else text
    return found


def all_verified() -> Verified:
    """What verifying every installed file in one go finds."""
    done = Verified()
    for file in recorded_files():
        done = done.after(file)
    return done


def test_it_announces_a_working_server_tells_a_true_story_and_ends_without_a_trace(
    start: Start, tmp_path: Path
) -> None:
    var = tmp_path / "var"
    launcher = start(demo=True)
    run = run_file(var)

    assert set(run) == {"url", "username", "password", "token"}
    assert status_of(run, run["token"]) == 200
    assert len(processes_with(str(var))) >= 5  # launcher, supervisord, web, worker, beat
    for name in ("run.json", "secret-key", "admin-password", "api-token"):
        assert stat.S_IMODE((var / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(var.stat().st_mode) == 0o700

    second = start()
    out, err = second.communicate(timeout=60)
    assert (second.returncode, out) == (1, "")
    assert run["url"] in err
    assert err.count("\n") == 1

    said = story_of(launcher)
    assert {name: said[name] for name in ("url", "password", "token")} == {
        name: run[name] for name in ("url", "password", "token")
    }
    assert (said["page"], said["var"]) == (run["url"], str(var))
    assert said["first"] == said["killed"] != said["second"]
    assert 0 < said["verified"] <= said["skipped"] < said["total"]
    assert said["total"] == said["files"] == said["once"]
    assert said["job"] == said["same_job"]
    _the_store_agrees(run, said, var / "demo")

    launcher.send_signal(signal.SIGINT)
    out, err = launcher.communicate(timeout=60)
    assert (launcher.returncode, out, err) == (0, "statestore: stopped\n", "")
    assert not (var / "run.json").exists()
    assert processes_with(str(var)) == {}
    assert not answers(run["url"])


def _the_store_agrees(run: dict[str, str], said: dict[str, Any], folder: Path) -> None:
    (name,) = (path.name for path in (folder / "jobs").iterdir() if "undisturbed" not in path.name)
    with StateStore(run["url"], run["token"]) as store:
        verify = store.task("demo", name, "verify_packages").task_store
        compress = store.task("demo", name, "compress_folder").task_store
        assert verify.get("result") == all_verified().to_value()
        assert verify.get("skipped_by_attempt_2") == said["skipped"]
        assert compress.get("remote_job_id") == said["job"]
        assert compress.get("remote_job_id.submission")["generation"] == 1
        assert compress.get("job_of_attempt_2") == "reconnect"
        files = {verify: said["total"], compress: compress.get("result")["files"]}
        for task_store, count in files.items():
            progress = task_store.get("progress")
            assert (progress["status"], progress["unit"]) == ("done", "files")
            assert progress["current"] == progress["total"] == count
    assert len(list((folder / "jobs" / name).iterdir())) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands orphans on")
def test_a_killed_demo_leaves_its_external_job_and_no_worker(start: Start, tmp_path: Path) -> None:
    var = tmp_path / "var"
    launcher = start(demo=True)
    run = run_file(var)

    def of_demo(program: str) -> list[int]:
        return [pid for pid, line in processes_with(str(var)).items() if program in line]

    until(lambda: list(var.glob("demo/jobs/*/*/command.json")))
    (demo,), (worker,) = of_demo("-m examples.demo "), of_demo("-A examples.demo.app worker")
    os.kill(demo, signal.SIGKILL)
    until(lambda: worker not in processes_with(str(var)))

    (end,) = until(lambda: list(var.glob("demo/jobs/*/*/end.json")))
    assert json.loads(end.read_text()) == {"exit_status": 0}
    assert status_of(run, run["token"]) == 200
    launcher.send_signal(signal.SIGTERM)
    launcher.communicate(timeout=60)
    assert launcher.returncode == 0
    assert processes_with(str(var)) == {}


PARENT_OF_ONE = """
import subprocess
subprocess.Popen(["sleep", "60"])
print("started", flush=True)
input()
"""


def test_what_is_left_of_the_group_of_a_dead_process_is_ended() -> None:
    command = [sys.executable, "-c", PARENT_OF_ONE]
    leader = subprocess.Popen(command, stdin=-1, stdout=-1, start_new_session=True)
    assert leader.stdout is not None
    assert leader.stdin is not None
    with leader.stdin, leader.stdout:
        assert leader.stdout.readline() == b"started\n"
        leader.kill()
        leader.wait()

        processes.stop(leader, 1)

        ready, _, _ = select.select([leader.stdout], [], [], 30)
        assert ready, "the child lives"  # else the end of what it could write


def test_killed_programs_are_replaced_and_leave_nothing(start: Start, tmp_path: Path) -> None:
    var = str(tmp_path / "var")
    launcher = start()
    run = run_file(Path(var))

    def running(program: str) -> set[int]:
        return {pid for pid, line in processes_with(var).items() if program in line}

    workers, web = until(lambda: running(" worker ")), running("granian")
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    os.kill(min(web), signal.SIGKILL)  # its own worker outlives it, and keeps the port
    until(lambda: running(" worker ") - workers)
    until(lambda: running("granian") - web)
    until(lambda: not running("granian") & web and status_of(run, run["token"]) == 200)
    launcher.terminate()
    launcher.communicate(timeout=60)

    assert launcher.returncode == 0
    assert processes_with(var) == {}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands orphans on")
def test_what_outlives_a_killed_supervisor_is_ended(start: Start, tmp_path: Path) -> None:
    var = str(tmp_path / "var")
    launcher = start()
    run_file(Path(var))

    (supervisor,) = (pid for pid, line in processes_with(var).items() if "supervisord" in line)
    os.kill(supervisor, signal.SIGKILL)
    launcher.communicate(timeout=60)

    assert launcher.returncode == 1
    assert processes_with(var) == {}


# A launcher whose child leads a session and is killed. The child's own children: one of the same
# session, one of its own (an external job), and one that has its own and ends.
PARENT = """
import subprocess
for command, apart in (("sleep 60", False), ("sleep 61", True), ("sleep 0", True)):
    print(subprocess.Popen(command.split(), start_new_session=apart).pid, flush=True)
input()
"""
GRANDPARENT = """
import os, signal, subprocess, sys, time
from statestore.launcher import orphans

orphans.adopt()
command = [sys.executable, "-c", sys.argv[1]]
child = subprocess.Popen(command, stdin=-1, stdout=-1, text=True, start_new_session=True)
ours, job, brief = (int(child.stdout.readline()) for _ in range(3))
time.sleep(0.3)
child.kill()
time.sleep(0.3)
orphans.end({child.pid})
there = [os.path.exists(f"/proc/{pid}") for pid in (ours, job, brief, child.pid)]
os.kill(job, signal.SIGKILL)
print(there, child.wait())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands orphans on")
def test_orphans_of_a_session_are_ended_and_the_dead_are_buried() -> None:
    command = [sys.executable, "-c", GRANDPARENT, PARENT]
    run = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True, cwd=ROOT)
    assert run.stdout == "[False, True, False, True] -9\n"


def test_a_killed_launcher_leaves_no_process_and_the_next_keeps_login_token_and_data(
    start: Start, tmp_path: Path
) -> None:
    var, port = tmp_path / "var", free_port()
    launcher = start(port)
    first = run_file(var)
    with StateStore(first["url"], first["token"]) as store:
        store.task("d", "r", "t").task_store.set("k", 1)

    launcher.kill()
    launcher.communicate(timeout=60)
    until(lambda: processes_with(str(var)) == {})

    (var / "run.json").unlink()  # which the next start does too, but when?
    again = start(port)
    assert run_file(var) == first
    with StateStore(first["url"], first["token"]) as store:
        assert store.task("d", "r", "t").task_store.get("k") == 1
    again.send_signal(signal.SIGINT)
    again.communicate(timeout=60)
    assert again.returncode == 0


@pytest.mark.parametrize("signal_after", [0.0, 0.7, 1.4])
def test_a_stop_while_it_starts_is_a_stop(
    start: Start, tmp_path: Path, signal_after: float
) -> None:
    launcher = start()
    while not (tmp_path / "var" / "lock").exists():
        time.sleep(0.01)
    time.sleep(signal_after)

    launcher.send_signal(signal.SIGTERM)
    _, err = launcher.communicate(timeout=60)

    assert (launcher.returncode, err) == (0, "")
    assert processes_with(str(tmp_path / "var")) == {}


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"PORT": "eighty"}, ["PORT='eighty' is no port"]),
        (
            {"STATESTORE_SWEEP_SECONDS": "0", "DATABASE_URL": "mysql://host/name"},
            ["STATESTORE_SWEEP_SECONDS='0' cannot be used", "DATABASE_URL names no database"],
        ),
        (
            {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x"},
            ["the database cannot be used"],
        ),
    ],
    ids=["port", "settings", "database"],
)
def test_what_is_set_wrong_gets_one_line_each(
    start: Start, variables: dict[str, str], says: list[str]
) -> None:
    launcher = start(**variables)

    out, err = launcher.communicate(timeout=60)

    assert (launcher.returncode, out) == (1, "")
    lines = err.splitlines()
    assert len(lines) == len(says)
    for expected in says:
        (line,) = (line for line in lines if expected in line)
        assert line.startswith("statestore: ")


def test_it_serves_without_its_broker_and_says_so(start: Start, tmp_path: Path) -> None:
    launcher = start(CELERY_BROKER_URL="amqp://guest:hunter2@127.0.0.1:1//")
    run = run_file(tmp_path / "var")

    assert status_of(run, run["token"]) == 200

    launcher.send_signal(signal.SIGINT)
    _, err = launcher.communicate(timeout=60)
    assert launcher.returncode == 0
    (line,) = err.splitlines()
    assert line.startswith("statestore: the broker of CELERY_BROKER_URL cannot be reached")
    assert "hunter2" not in line


@pytest.mark.parametrize("wanted", ["0", "70000", "-1", "８０００", " 8000"])
def test_a_port_that_is_none_is_refused(wanted: str) -> None:
    with pytest.raises(CannotStartError, match=f"PORT='{wanted}' is no port"):
        _port(wanted)


def test_a_port_that_is_taken_is_refused() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(CannotStartError) as refused:
            _port(str(port))

    assert str(refused.value) == (
        f"Port {port} is taken, or not yours to use: set PORT to another, or leave it out."
    )


@pytest.mark.skipif(sys.platform != "linux", reason="the name is Linux's")
def test_two_that_start_at_once_get_two_ports(start: Start, tmp_path: Path) -> None:
    """Their web servers come up seconds after the ports were chosen, and would share one."""
    places = [tmp_path / "one", tmp_path / "two"]
    for place in places:
        start(PORT="", STATESTORE_VAR_DIR=str(place))

    one, two = (run_file(place) for place in places)

    assert one["url"] != two["url"]
    for run, stranger in ((one, two), (two, one)):
        assert {status_of(run, run["token"]) for _ in range(20)} == {200}
        with pytest.raises(HTTPError, match="401"):
            status_of(run, stranger["token"])


def test_a_reserved_port_is_given_to_nobody_else_and_then_freed() -> None:
    wanted = str(free_port())
    with reserved_port(wanted), pytest.raises(CannotStartError, match="is taken"):
        _port(wanted)

    assert _port(wanted) == int(wanted)


def _port(wanted: str) -> int:
    with reserved_port(wanted) as port:
        return port
