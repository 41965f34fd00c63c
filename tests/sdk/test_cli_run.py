"""`statestore run`: a command as an attempt of a task."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from statestore.protocol import TaskScope
from statestore.sdk import StateStore, TaskStore
from tests.proxy import Proxy
from tests.sdk.conftest import COMMAND, Cli
from tests.server import Server

pytestmark = pytest.mark.slow  # which database the server has makes no difference


def exit_of(task_store: TaskStore) -> Any:
    return {**task_store.get("exit"), "seconds": None}


def test_run_ends_with_the_commands_status_and_stores_it(cli: Cli, task_store: TaskStore) -> None:
    ended = cli("run", "--", "sh", "-c", "echo out; echo err >&2; sleep 0.2; exit 7")
    assert (ended.returncode, ended.stdout, ended.stderr) == (7, "out\n", "err\n")
    assert exit_of(task_store) == {"attempt": 1, "exit_status": 7, "seconds": None}
    assert 0.2 <= task_store.get("exit")["seconds"] < 20
    assert cli("run", "true").returncode == 0
    assert exit_of(task_store) == {"attempt": 2, "exit_status": 0, "seconds": None}


def test_run_keeps_the_commands_own_options_and_standard_input(cli: Cli) -> None:
    ended = cli("run", "--", "sh", "-c", 'cat; echo "$@"', "--", "--task", "x", stdin="in ")
    assert ended.stdout == "in --task x\n"


def test_run_tells_the_command_its_task_and_attempt(cli: Cli, scope: TaskScope) -> None:
    task = f"{scope.dag_id}/{scope.run_id}/other"
    shown = cli(
        "run", "--task", task, "--", "sh", "-c", "echo $STATESTORE_TASK $STATESTORE_ATTEMPT"
    )
    assert shown.stdout == f"{task} 1\n"


def test_a_command_that_is_not_there_ends_with_127(cli: Cli, task_store: TaskStore) -> None:
    assert cli("run", "--", "no-such-command").returncode == 127
    assert exit_of(task_store)["exit_status"] == 127
    assert cli("run", "--", "/etc/passwd").returncode == 126


def test_what_runs_inside_is_fenced_by_its_attempt(cli: Cli, task_store: TaskStore) -> None:
    inner = " ".join(COMMAND)
    script = f"{inner} set who 1; {inner} run -- {inner} set who 2; {inner} set who 1; echo $?"
    ended = cli("run", "--", "sh", "-c", script)
    assert ended.stdout == "4\n"
    assert "newer attempt" in ended.stderr.lower() or "attempt 2" in ended.stderr
    assert task_store.get("who") == 2
    assert exit_of(task_store)["attempt"] == 2
    assert ended.returncode == 0  # the command's own


def test_an_attempt_is_of_its_own_task_alone(cli: Cli, store: StateStore, scope: TaskScope) -> None:
    other = store.task(scope.dag_id, scope.run_id, "other")
    other.start_attempt()
    other.start_attempt()
    task = f"{scope.dag_id}/{scope.run_id}/other"
    ended = cli("run", "--token", "own", "--", *COMMAND, "set", "key", "1", "--task", task)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert other.task_store.get("key") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_is_passed_on_and_the_end_stored(
    environment: dict[str, str], task_store: TaskStore, number: signal.Signals
) -> None:
    script = "trap 'echo caught; exit 5' TERM INT HUP; echo ready; while :; do sleep 0.05; done"
    with subprocess.Popen(
        [*COMMAND, "run", "--", "sh", "-c", script],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"ready\n"
        running.send_signal(number)
        assert running.stdout.readline() == b"caught\n"
        assert running.wait(20) == 5
    assert exit_of(task_store) == {"attempt": 1, "exit_status": 5, "seconds": None}


def test_a_command_that_a_signal_ends_has_the_shells_status(cli: Cli) -> None:
    assert cli("run", "--", "sh", "-c", "kill -9 $$").returncode == 137


def test_the_commands_status_counts_although_the_server_is_away(
    server: Server, environment: dict[str, str], tmp_path: Path
) -> None:
    environment = {**environment, "STATESTORE_RETRY_SECONDS": "0.2"}
    script = f"touch {tmp_path}/ready; while test ! -e {tmp_path}/go; do sleep 0.05; done; exit 6"
    with subprocess.Popen(
        [*COMMAND, "run", "--", "sh", "-c", script], env=environment, stderr=subprocess.PIPE
    ) as running:
        end = time.monotonic() + 20
        while not (tmp_path / "ready").exists():
            assert time.monotonic() < end
            time.sleep(0.01)
        server.stop()
        (tmp_path / "go").touch()
        _, complaint = running.communicate(timeout=30)
    server.start()
    assert running.returncode == 6
    assert b"exit status was not stored" in complaint


# --- its token ---


def test_the_commands_token_reaches_its_own_task_alone(
    cli: Cli, server: Server, task_store: TaskStore, scope: TaskScope
) -> None:
    inner = " ".join(COMMAND)
    other = f"{scope.dag_id}/{scope.run_id}/other"
    script = f"echo $STATESTORE_TOKEN; {inner} set key 1; {inner} set key 1 --task {other}; echo $?"
    ended = cli("run", "--", "sh", "-c", script)
    token, status = ended.stdout.split()
    assert token.startswith("stt_")
    assert status == "3"
    assert task_store.get("key") == 1
    assert exit_of(task_store)["exit_status"] == 0
    inside = cli("run", "--", "sh", "-c", "echo $STATESTORE_TOKEN", STATESTORE_TOKEN=token)
    assert inside.stdout == f"{token}\n"
    assert cli("run", "--token", "own", "--", "sh", "-c", "echo $STATESTORE_TOKEN").stdout == (
        f"{server.token}\n"
    )


def test_who_cannot_make_one_hands_out_its_own_only_where_it_says_so(
    cli: Cli, server: Server, task_store: TaskStore
) -> None:
    token = server.manage("create_api_token", "writer", "--rights", "view,write").strip()
    show = ["--", "sh", "-c", "echo $STATESTORE_TOKEN"]
    refused = cli("run", *show, STATESTORE_TOKEN=token)
    assert (refused.returncode, refused.stdout) == (3, "")
    assert "--token own" in refused.stderr
    assert task_store.get("exit") is None
    either = cli("run", "--token", "either", *show, STATESTORE_TOKEN=token)
    assert (either.returncode, either.stdout) == (0, f"{token}\n")
    (line,) = either.stderr.splitlines()
    assert "NO TOKEN FOR THIS TASK ALONE" in line
    own = cli("run", "--token", "own", *show, STATESTORE_TOKEN=token)
    assert (own.stdout, own.stderr) == (f"{token}\n", "")


def test_without_a_server_it_runs_too(cli: Cli) -> None:
    ended = cli("run", "--", "sh", "-c", "exit 3", STATESTORE_MODE="off")
    assert ended.returncode == 3


# --- as process 1, and at the end ---


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_after_the_command_has_ended_ends_it_at_once_with_the_commands_status(
    proxy: Proxy, environment: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    script = f"echo $$; while test ! -e {tmp_path}/go; do sleep 0.02; done; exit 6"
    with subprocess.Popen(
        [*COMMAND, "run", "--", "sh", "-c", script],
        env={**environment, "STATESTORE_URL": proxy.url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        assert running.stdout is not None
        command = Path(f"/proc/{int(running.stdout.readline())}")
        proxy.open.clear()
        (tmp_path / "go").touch()
        while command.exists():
            time.sleep(0.01)
        running.send_signal(number)
        _, complaint = running.communicate(timeout=8)  # a try of the request takes longer
    assert running.returncode == 6
    assert complaint.splitlines()[-1:] == [
        b"statestore: the exit status was not stored: interrupted"
    ]


ORPHAN = """
(sleep 0.1 & echo $! > orphan)
for i in $(seq 100); do test -e /proc/$(cat orphan) || { echo reaped; exit; }; sleep 0.1; done
echo left
"""
INHERIT = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_processes_that_have_lost_their_parent_are_reaped(
    environment: dict[str, str], tmp_path: Path
) -> None:
    inheriting = [sys.executable, "-c", INHERIT, *COMMAND]  # as process 1 of a container does
    ended = subprocess.run(
        [*inheriting, "run", "--", "sh", "-c", ORPHAN],
        env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "reaped\n", "")
