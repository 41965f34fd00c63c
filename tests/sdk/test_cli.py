"""The command `statestore`, as a shell runs it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import statestore
from statestore.protocol import TaskScope
from statestore.sdk import StateStore, TaskStore
from tests.ports import free_port
from tests.server import ROOT, Server

COMMAND = [sys.executable, "-m", "statestore.sdk.cli"]
Ended = subprocess.CompletedProcess[str]
Cli = Callable[..., Ended]


@pytest.fixture
def environment(server: Server, scope: TaskScope) -> dict[str, str]:
    """What a cron line would set."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "STATESTORE_URL": server.url,
        "STATESTORE_TOKEN": server.token,
        "STATESTORE_TASK": f"{scope.dag_id}/{scope.run_id}/{scope.task_id}",
    }


@pytest.fixture
def cli(environment: dict[str, str], tmp_path: Path) -> Cli:
    """Runs the command."""

    def run(*words: str, stdin: str = "", **variables: str) -> Ended:
        return subprocess.run(
            [*COMMAND, *words],
            env={**environment, **variables},
            cwd=tmp_path,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


def test_values_go_in_and_out_as_json(cli: Cli, task_store: TaskStore) -> None:
    assert cli("set", "page", '{"n": [1, "ü", null]}').returncode == 0
    assert task_store.get("page") == {"n": [1, "ü", None]}
    shown = cli("get", "page")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout == '{"n": [1, "ü", null]}\n'
    assert cli("set", "number", "-5").returncode == 0
    assert task_store.get("number") == -5


def test_values_come_from_standard_input_and_as_text(cli: Cli, task_store: TaskStore) -> None:
    assert cli("set", "a", "-", stdin="[1, 2]\n").returncode == 0
    assert cli("set", "b", "plain words", "--text").returncode == 0
    assert cli("set", "c", "-", "--text", stdin="two\nlines").returncode == 0
    assert task_store.get_many("abc") == {"a": [1, 2], "b": "plain words", "c": "two\nlines"}


def test_a_missing_key_ends_with_1_or_prints_the_default(cli: Cli) -> None:
    missing = cli("get", "none")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "'none'" in missing.stderr
    default = cli("get", "none", "--default", "0")
    assert (default.returncode, default.stdout) == (0, "0\n")


@pytest.mark.parametrize(
    "words",
    [
        ["set", "key", "no json"],
        ["set", "key", "null"],
        ["set", "..", "1"],
        ["set", "key", "1", "--retention", "soon"],
        ["set", "key"],
        ["get", "key", "--task", "only/two"],
        ["get", "key", "--task", "a/b/c/x"],
        ["get", "key", "--task", ""],
        ["progress", "much"],
        ["run", "--"],
        ["unknown"],
        [],
    ],
    ids=" ".join,
)
def test_wrong_words_end_with_2_and_say_why(cli: Cli, words: list[str]) -> None:
    ended = cli(*words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_refusal_and_a_server_that_is_away_end_with_3(cli: Cli) -> None:
    assert cli("get", "key", STATESTORE_TOKEN="wrong").returncode == 3
    assert cli("get", "key", STATESTORE_URL="").returncode == 3
    away = {
        "STATESTORE_URL": f"http://127.0.0.1:{free_port()}",
        "STATESTORE_RETRY_SECONDS": "0.1",
    }
    ended = cli("set", "key", "1", **away)
    assert ended.returncode == 3
    assert "cannot be reached" in ended.stderr


def test_delete_clear_list_and_retention(cli: Cli, task_store: TaskStore) -> None:
    assert cli("set", "a", "1", "--retention", "never").returncode == 0
    assert cli("set", "b", "2", "--retention", "3600").returncode == 0
    a, b = (json.loads(line) for line in cli("list").stdout.splitlines())
    assert a == {"key": "a", "value": 1, "expires_at": None}
    assert (b["key"], b["expires_at"] is None) == ("b", False)
    assert [cli("delete", "a").returncode for _ in range(2)] == [0, 0]
    assert cli("clear").returncode == 0
    assert list(task_store.items()) == []


def test_clear_takes_one_map_index_or_all(cli: Cli, store: StateStore, scope: TaskScope) -> None:
    ids = (scope.dag_id, scope.run_id, scope.task_id)
    mapped = store.task(*ids, 3).task_store
    assert cli("set", "key", "1", "--task", f"{'/'.join(ids)}/3").returncode == 0
    assert mapped.get("key") == 1
    cli("clear")
    assert mapped.get("key") == 1
    cli("clear", "--all-map-indices")
    assert mapped.get("key") is None


def test_a_slash_within_an_id_is_written_as_2f(
    cli: Cli, store: StateStore, scope: TaskScope
) -> None:
    task = f"a%2Fb/{scope.run_id}/50%25"
    assert cli("set", "k/e%2Fy", "1", "--task", task).returncode == 0
    assert store.task("a/b", scope.run_id, "50%").task_store.get("k/e%2Fy") == 1


def test_progress_is_what_the_dashboard_shows(cli: Cli, task_store: TaskStore) -> None:
    cli("progress", "3", "10", "--unit", "rows", "--message", "page 3")
    assert task_store.get("progress") == {
        "current": 3, "total": 10, "unit": "rows", "status": "running", "message": "page 3",
    }  # fmt: skip
    cli("progress", "1.5", "--status", "done")
    assert task_store.get("progress") == {"current": 1.5, "status": "done"}


def test_a_reader_that_goes_away_is_no_failure(
    cli: Cli, task_store: TaskStore, environment: dict[str, str]
) -> None:
    task_store.set_many({f"key {number}": "x" * 5000 for number in range(100)})
    line = f"set -o pipefail; {' '.join(COMMAND)} list | head -c 100 | wc -c"
    ended = subprocess.run(
        ["bash", "-c", line], env=environment, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout.strip(), ended.stderr) == (0, "100", "")


def test_watch_prints_each_change(
    cli: Cli, task_store: TaskStore, environment: dict[str, str]
) -> None:
    task_store.set("key", 1)
    with subprocess.Popen(
        [*COMMAND, "watch", "key", "--interval", "0.05"], env=environment, stdout=subprocess.PIPE
    ) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline() == b"1\n"
        task_store.set("key", {"a": 2})
        assert watching.stdout.readline() == b'{"a": 2}\n'
        task_store.delete("key")
        task_store.set("key", "again")
        task_store.set("key", "and again")  # in the version that was shown last
        assert watching.stdout.readline() in (b'"again"\n', b'"and again"\n')
        watching.send_signal(signal.SIGINT)
        assert watching.wait(20) == 0


def test_version(cli: Cli) -> None:
    assert cli("--version").stdout.strip() == statestore.__version__


# --- run ---


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
    ended = cli("run", "--", *COMMAND, "set", "key", "1", "--task", task)
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


@pytest.mark.slow
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
