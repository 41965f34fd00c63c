"""The command `statestore`, as a shell runs it."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import statestore
from statestore.protocol import TaskScope
from statestore.sdk import StateStore, TaskStore
from tests.ports import free_port
from tests.sdk.conftest import COMMAND, Cli

pytestmark = pytest.mark.slow  # which database the server has makes no difference


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
        ["set", "key", "[" * 2000 + "]" * 2000],
        ["set", "key", "1" * 5000],
        ["set", "key", "1", "--retention", "99999999999999999"],
        ["set", "key", "1", "--retention", "9999999999"],
        ["set", "key", "1", "--retention", "-1"],
        ["set", "key", f'"{"x" * 66000}"'],
        ["watch", "--interval", "-1"],
        ["watch", "--interval", "nan"],
        ["watch", "--interval", "1e300"],
        ["progress", "nan"],
        ["progress", "much"],
        ["run", "--"],
        ["run", "--token-days", "31", "--", "true"],
        ["run", "--token", "any", "--", "true"],
        ["unknown"],
        [],
    ],
    ids=lambda words: " ".join(words)[:40],
)
def test_wrong_words_end_with_2_and_say_why(cli: Cli, words: list[str]) -> None:
    ended = cli(*words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.splitlines()[-1]) < 300


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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_watch_as_process_1_ends_when_it_is_asked_to(
    task_store: TaskStore, environment: dict[str, str], number: signal.Signals
) -> None:
    """The kernel gives process 1 no default action for a signal."""
    task_store.set("key", 1)
    ignoring = [sys.executable, "-c", IGNORE, *COMMAND]
    with subprocess.Popen(
        [*ignoring, "watch", "key"], env=environment, stdout=subprocess.PIPE
    ) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline() == b"1\n"
        watching.send_signal(number)
        assert watching.wait(20) == 0


IGNORE = """
import os, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_watch_ends_when_its_reader_has_gone_though_nothing_changes(
    task_store: TaskStore, environment: dict[str, str]
) -> None:
    task_store.set("key", 1)
    command = f"{' '.join(COMMAND)} watch key --interval 0.2 | head -1"
    ended = subprocess.run(
        ["sh", "-c", command],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert (ended.stdout, ended.stderr) == ("1\n", "")


def test_version(cli: Cli) -> None:
    assert cli("--version").stdout.strip() == statestore.__version__


def test_what_the_terminal_has_no_characters_for_is_escaped(
    cli: Cli, task_store: TaskStore
) -> None:
    task_store.set("key", {"ü": "🦆"})
    shown = cli("get", "key", PYTHONIOENCODING="ascii")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout == '{"\\u00fc": "\\ud83e\\udd86"}\n'


def test_standard_input_that_is_no_text_is_refused(environment: dict[str, str]) -> None:
    ended = subprocess.run(
        [*COMMAND, "set", "key", "-"], env={**environment, "PYTHONUTF8": "0", "LC_ALL": "C.UTF-8"},
        input=b"\"\xff\"", capture_output=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert b"Traceback" not in ended.stderr


def test_a_time_to_retry_for_that_is_none_ends_with_3(cli: Cli) -> None:
    ended = cli("get", "key", STATESTORE_RETRY_SECONDS="nan")
    assert ended.returncode == 3
    assert ended.stderr.splitlines() == [
        "statestore: STATESTORE_RETRY_SECONDS='nan' is no number of seconds."
    ]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a device that is always full")
def test_an_output_that_cannot_be_written_is_no_missing_key(
    task_store: TaskStore, environment: dict[str, str]
) -> None:
    task_store.set("key", 1)
    with Path("/dev/full").open("w") as full:
        words = [*COMMAND, "get", "key"]
        ended = subprocess.run(
            words, env=environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert ended.returncode == 3
    assert ended.stderr.count("\n") == 1
