"""The command `statestore`: the same for shell scripts, cron lines and containers.

Values go in and out as JSON. Exit status: 0 done, 1 no such key, 2 wrong arguments or value, 3 the server
refused or cannot be reached, 4 a newer attempt has started; `run` ends with the command's own once it
has started, and with 126 or 127 where that is no program.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from statestore import __version__
from statestore.protocol import MAP_INDEX_NONE, NEVER_EXPIRE
from statestore.sdk.checks import Retention
from statestore.sdk.client import StateStore
from statestore.sdk.context import TaskContext
from statestore.sdk.errors import InvalidValueError, StaleAttemptError, StatestoreError

DONE: Final = 0
NO_KEY: Final = 1
USAGE: Final = 2
REFUSED: Final = 3
STALE: Final = 4

TASK_VARIABLE: Final = "STATESTORE_TASK"
ATTEMPT_VARIABLE: Final = "STATESTORE_ATTEMPT"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit status."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.command(arguments))
    except StaleAttemptError as error:
        return _complain(error, STALE)
    except InvalidValueError as error:
        return _complain(error, USAGE)
    except StatestoreError as error:
        return _complain(error, REFUSED)
    except BrokenPipeError:  # `statestore list | head`: nor may the exit of Python complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE


def _complain(error: Exception | str, status: int) -> int:
    print(f"statestore: {error}", file=sys.stderr)  # noqa: T201 - a command's words
    return status


def _show(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False), flush=True)  # noqa: T201 - a command's output


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="statestore", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Any, help_: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help_, description=help_)
        added.set_defaults(command=run)
        added.add_argument(
            "--task",
            default=os.environ.get(TASK_VARIABLE),
            metavar="DAG/RUN/TASK[/MAP_INDEX]",
            help=f"the task instance (default: {TASK_VARIABLE}); a slash within an id is written %%2F",
        )
        return added

    get = command("get", _get, "Print the value under a key.")
    get.add_argument("key")
    get.add_argument("--default", metavar="JSON", help="print this where there is no such key")
    put = command("set", _set, "Set a key to a JSON value.")
    put.add_argument("key")
    put.add_argument("value", help="JSON, or - to read it from standard input")
    put.add_argument("--text", action="store_true", help="the value is a string as it stands")
    put.add_argument("--retention", metavar="SECONDS|never", help="how long it lives")
    delete = command("delete", _delete, "Delete a key, if it is there.")
    delete.add_argument("key")
    clear = command("clear", _clear, "Delete every key.")
    clear.add_argument("--all-map-indices", action="store_true")
    command("list", _list, "Print every key with its value, one JSON object a line.")
    progress = command("progress", _progress, "Report how far the task is.")
    progress.add_argument("current", type=float)
    progress.add_argument("total", type=float, nargs="?")
    progress.add_argument("--unit")
    progress.add_argument("--message")
    progress.add_argument("--status", default="running", choices=["running", "done", "failed"])
    watch = command("watch", _watch, "Print a key's value whenever it changes, until interrupted.")
    watch.add_argument("key", nargs="?", default="progress")
    watch.add_argument("--interval", type=float, default=1.0, metavar="SECONDS")
    run = command("run", _run, "Run a command as the next attempt of a task.")
    run.add_argument("program", nargs=argparse.REMAINDER, metavar="-- COMMAND …")
    return parser


def _context(arguments: argparse.Namespace) -> TaskContext:
    from urllib.parse import unquote  # noqa: PLC0415 - only here

    if not arguments.task:
        raise InvalidValueError(f"name the task with --task or {TASK_VARIABLE}: DAG/RUN/TASK")
    parts = [unquote(part) for part in arguments.task.split("/")]
    if len(parts) not in {3, 4}:
        raise InvalidValueError(
            f"{arguments.task!r} is no DAG/RUN/TASK[/MAP_INDEX]; a slash within an id is written %2F"
        )
    map_index = _number(parts[3], "MAP_INDEX") if len(parts) == 4 else MAP_INDEX_NONE
    # The attempt that `run` has started is one of its own task.
    own = arguments.task == os.environ.get(TASK_VARIABLE)
    attempt = os.environ.get(ATTEMPT_VARIABLE) if own else None
    return StateStore().task(
        parts[0],
        parts[1],
        parts[2],
        map_index,
        attempt=None if not attempt else _number(attempt, ATTEMPT_VARIABLE),
    )


def _number(text: str, what: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InvalidValueError(f"{what} must be a whole number, not {text!r}") from None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidValueError(
            f"{text!r} is no JSON ({error}); --text takes it as a string"
        ) from None


def _retention(text: str | None) -> Retention:
    if text is None:
        return None
    if text == "never":
        return NEVER_EXPIRE
    return timedelta(seconds=_number(text, "--retention"))


def _get(arguments: argparse.Namespace) -> int:
    entry = _context(arguments).task_store.entry(arguments.key)
    if entry is not None:
        _show(entry.value)
        return DONE
    if arguments.default is None:
        return _complain(f"there is no key {arguments.key!r}", NO_KEY)
    _show(_json(arguments.default))
    return DONE


def _set(arguments: argparse.Namespace) -> int:
    text = sys.stdin.read() if arguments.value == "-" else arguments.value
    value = text if arguments.text else _json(text)
    store = _context(arguments).task_store
    store.set(arguments.key, value, retention=_retention(arguments.retention))
    return DONE


def _delete(arguments: argparse.Namespace) -> int:
    _context(arguments).task_store.delete(arguments.key)
    return DONE


def _clear(arguments: argparse.Namespace) -> int:
    _context(arguments).task_store.clear(all_map_indices=arguments.all_map_indices)
    return DONE


def _list(arguments: argparse.Namespace) -> int:
    for entry in _context(arguments).task_store.items():
        expires_at = entry.expires_at and entry.expires_at.isoformat()
        _show({"key": entry.key, "value": entry.value, "expires_at": expires_at})
    return DONE


def _progress(arguments: argparse.Namespace) -> int:
    fields = {
        "current": _plain(arguments.current),
        "total": _plain(arguments.total),
        "unit": arguments.unit,
        "status": arguments.status,
        "message": arguments.message,
    }
    value = {name: field for name, field in fields.items() if field is not None}
    _context(arguments).task_store.set("progress", value)
    return DONE


def _plain(number: float | None) -> float | int | None:
    return int(number) if number is not None and number.is_integer() else number


def _watch(arguments: argparse.Namespace) -> int:
    store, seen = _context(arguments).task_store, None
    try:
        while True:
            entry = store.entry(arguments.key)
            # The time too: a key that is deleted and set again counts its versions afresh.
            if entry is not None and (entry.version, entry.updated_at) != seen:
                seen = (entry.version, entry.updated_at)
                _show(entry.value)
            time.sleep(arguments.interval)
    except KeyboardInterrupt:
        return DONE


def _run(arguments: argparse.Namespace) -> int:
    program = arguments.program[1:] if arguments.program[:1] == ["--"] else arguments.program
    if not program:
        raise InvalidValueError("name the command to run: statestore run --task … -- COMMAND")
    context = _context(arguments)
    attempt = context.start_attempt()
    environment = {**os.environ, TASK_VARIABLE: arguments.task, ATTEMPT_VARIABLE: str(attempt)}
    started = time.monotonic()
    status = _wait_for(program, environment)
    end = {
        "attempt": attempt,
        "exit_status": status,
        "seconds": round(time.monotonic() - started, 3),
    }
    try:
        context.task_store.set("exit", end)
    except StatestoreError as error:  # what the command has done counts, not who could be told
        _complain(f"the exit status was not stored: {error}", status)
    return status


def _wait_for(program: list[str], environment: dict[str, str]) -> int:
    """The command's exit status, in a shell's way; signals that ask to end are passed on to it."""
    processes: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def pass_on(number: int, _: Any) -> None:
        if not processes:
            early.append(number)
        elif number != signal.SIGINT or not sys.stdin.isatty():  # Ctrl-C reaches it by itself
            processes[0].send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup's command ignores it too
            signal.signal(number, pass_on)
    try:
        process = subprocess.Popen(program, env=environment)  # noqa: S603 - the user's own command
    except FileNotFoundError:
        return _complain(f"{program[0]}: there is no such command", 127)
    except OSError as error:
        return _complain(f"{program[0]}: this is no program that may be run ({error})", 126)
    processes.append(process)
    for sent in early:
        process.send_signal(sent)
    status = process.wait()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
