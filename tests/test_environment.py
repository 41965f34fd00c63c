"""A wrong environment variable gives a system check with an id, and a sentence that says what to set."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from statestore.env import Environment
from statestore.launcher.processes import beat_command, worker_command
from tests.server import ROOT

KEY = "k" * 25 + "0123456789" * 3


def problems_after(read: str, variables: dict[str, str]) -> list[tuple[str, str]]:
    """The ids and sentences of what is wrong after one variable was read."""
    environment = Environment(variables)
    reads: dict[str, Callable[[], object]] = {
        "flag": lambda: environment.flag("NAME", default=False),
        "number": lambda: environment.number("NAME", 7, least=1, most=10, unit="days"),
        "secret": lambda: environment.secret_key("NAME", file=Path("/nowhere"), needed=True),
        "database": lambda: environment.database("NAME", "sqlite:////tmp/default.sqlite3"),
        "template": lambda: environment.template("NAME", fields=("dag_id", "task_id")),
        "address": lambda: environment.address("NAME"),
        "broker": lambda: environment.broker("NAME", "filesystem://"),
        "level": lambda: environment.level("NAME", "INFO"),
        "hosts": lambda: environment.hosts("NAME", "localhost"),
        "origins": lambda: environment.origins("NAME"),
    }
    reads[read]()
    return [(problem.id, problem.message) for problem in environment.problems]


@pytest.mark.parametrize(
    ("read", "value", "id_", "says"),
    [
        ("flag", "perhaps", "E001", "set it to true or false"),
        ("number", "0", "E002", "a whole number of days, 1 to 10"),
        ("number", "11", "E002", "a whole number of days, 1 to 10"),
        ("number", "ten", "E002", "'ten' cannot be used"),
        ("number", "1.5", "E002", "a whole number of days"),
        ("secret", "short", "E003", "set it to a long random text"),
        ("database", "mysql://root@host/name", "E004", "set it to postgresql://"),
        ("database", "host/name", "E004", "set it to postgresql://"),
        ("database", "postgresql://user:p#ss@host:port/name", "E004", "percent-encoded"),
        (
            "database",
            "sqlite:////dev/null/x.sqlite3",
            "E004",
            "the folder /dev/null cannot be made",
        ),
        ("template", "javascript:alert({dag_id})", "E006", "set it to an http(s) address"),
        ("template", "https://host/{dag}", "E006", "the fields {dag_id}, {task_id}"),
        ("template", "https://host/{dag_id.x}", "E006", "the fields {dag_id}, {task_id}"),
        ("template", "https://host/{", "E006", "the fields {dag_id}, {task_id}"),
        ("address", "state.example.com", "E007", "set it to the address that people open"),
        ("address", "ftp://state.example.com", "E007", "https://state.example.com"),
        ("address", "https://state.example.com/?a=b", "E007", "without user, query and fragment"),
        ("address", "https://user:word@state.example.com", "E007", "without user"),
        ("address", "https://state.example.com:port", "E007", "https://state.example.com"),
        ("broker", "http://host", "E005", "set it to redis://host/0"),
        ("broker", "localhost", "E005", "leave it out for the embedded one"),
        ("level", "LOUD", "E008", "set it to DEBUG, INFO, WARNING, ERROR or CRITICAL"),
        ("hosts", "a.example.com,https://b.example.com", "E009", "without scheme, port and path"),
        ("hosts", "state.example.com:8000", "E009", "without scheme, port and path"),
        ("origins", "https://a.example.com, b.example.com", "E010", "has 'b.example.com'"),
        ("origins", "https://a.example.com/state", "E010", "such as https://state.example.com"),
    ],
)
def test_each_wrong_value_has_an_id_and_a_remedy(
    read: str, value: str, id_: str, says: str
) -> None:
    ((found, message),) = problems_after(read, {"NAME": value})

    assert found == f"statestore.{id_}"
    assert message.startswith("NAME")
    assert says in message


@pytest.mark.parametrize(
    ("read", "value"),
    [
        ("template", "https://host/{dag_id}?task={task_id}"),
        ("flag", "YES"),
        ("flag", "off"),
        ("flag", ""),
        ("number", "10"),
        ("number", ""),
        ("secret", KEY),
        ("database", "postgresql://user:p%23ss@host:5433/name"),
        ("database", "sqlite:////tmp/x.sqlite3"),
        ("database", ""),
        ("address", "https://state.example.com/store/"),
        ("address", ""),
        ("broker", "redis://host/0"),
        ("broker", "amqp://guest:guest@host//"),
        ("broker", ""),
        ("level", "debug"),
        ("level", ""),
        ("hosts", "*"),
        ("hosts", ".example.com, state.local, [::1], 10.0.0.7"),
        ("hosts", ""),
        ("origins", "https://state.example.com, http://10.0.0.7:8000, https://*.example.com"),
        ("origins", ""),
    ],
)
def test_right_and_empty_values_are_no_problem(read: str, value: str) -> None:
    assert problems_after(read, {"NAME": value}) == []


def test_no_password_of_a_wrong_database_is_repeated() -> None:
    ((_, message),) = problems_after("database", {"NAME": "mysql://root:hunter2@host/name"})

    assert "hunter2" not in message


def test_the_secret_key_may_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret-key"
    file.write_text(KEY + "\n")
    environment = Environment({})

    assert environment.secret_key("NAME", file=file, needed=True) == KEY
    assert environment.problems == []


def check(tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    base = {
        "DJANGO_SETTINGS_MODULE": "statestore.settings",
        "STATESTORE_VAR_DIR": str(tmp_path),
        "SECRET_KEY": KEY,
    }
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "check"],
        env={**os.environ, "DATABASE_URL": "", **base, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_manage_py_check_names_every_wrong_variable_at_once(tmp_path: Path) -> None:
    wrong = {"DATABASE_URL": "nonsense", "STATESTORE_SWEEP_SECONDS": "0", "SECRET_KEY": ""}

    answer = check(tmp_path, **wrong)

    assert answer.returncode == 1
    for name, id_ in zip(wrong, ("E004", "E002", "E003"), strict=True):
        assert f"(statestore.{id_}) {name}" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_manage_py_check_is_silent_about_right_ones(tmp_path: Path) -> None:
    answer = check(tmp_path, DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")

    assert (answer.returncode, answer.stderr) == (0, "")


@pytest.mark.parametrize(
    "command", [worker_command("wrong"), beat_command()], ids=["worker", "beat"]
)
def test_worker_and_beat_do_not_start_with_a_wrong_variable(
    command: list[str], tmp_path: Path
) -> None:
    found = subprocess.run(
        command,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "statestore.settings",
            "SECRET_KEY": KEY,
            "DATABASE_URL": "",
            "STATESTORE_VAR_DIR": str(tmp_path),
            "STATESTORE_SWEEP_SECONDS": "soon",
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert found.returncode != 0
    assert "STATESTORE_SWEEP_SECONDS" in found.stderr
