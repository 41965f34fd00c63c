"""The command `statestore`: the same for shell scripts, cron lines and containers.

Values go in and out as JSON. Exit status: 0 done, 1 no such key, 2 wrong arguments or value, 3 the server
refused or cannot be reached, 4 a newer attempt has started, 130 interrupted; `run` ends with the
command's own once it has started, and with 126 or 127 where that is no program.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from statestore import __version__
from statestore.protocol import MAP_INDEX_NONE, NEVER_EXPIRE
from statestore.sdk import cli_run
from statestore.sdk.checks import Retention
from statestore.sdk.cli_run import ATTEMPT_VARIABLE, TASK_VARIABLE, complain
from statestore.sdk.client import StateStore
from statestore.sdk.context import TaskContext
from statestore.sdk.errors import (
    InvalidValueError,
    StaleAttemptError,
    StatestoreError,
    TooLargeError,
)

DONE: Final = 0
NO_KEY: Final = 1
USAGE: Final = 2
REFUSED: Final = 3
STALE: Final = 4
INTERRUPTED: Final = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit status."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.command(arguments))
    except StaleAttemptError as error:
        return complain(error, STALE)
    except (InvalidValueError, TooLargeError) as error:
        return complain(error, USAGE)
    except StatestoreError as error:
        return complain(error, REFUSED)
    except KeyboardInterrupt:
        return complain("interrupted", INTERRUPTED)
    except BrokenPipeError:  # `statestore list | head`: nor may the exit of Python complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except OSError as error:  # a full disk
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return complain(f"the output cannot be written: {error.strerror}", REFUSED)


def _show(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)
    try:
        print(text, flush=True)  # noqa: T201 - a command's output
    except UnicodeEncodeError:  # a terminal without these characters: the same JSON, escaped
        print(json.dumps(value), flush=True)  # noqa: T201 - see above


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
    watch.add_argument("--interval", type=_interval, default=1.0, metavar="SECONDS")
    run = command("run", _run, "Run a command as the next attempt of a task.")
    cli_run.add_options(run)
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


def _interval(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 86400:  # nor is nan
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 86400 seconds")
    return seconds


def _json(text: str) -> Any:
    short = text if len(text) <= 60 else f"{text[:57]}..."
    try:
        return json.loads(text)
    except RecursionError:
        raise InvalidValueError(f"{short!r} is nested too deeply") from None
    except ValueError as error:
        raise InvalidValueError(
            f"{short!r} is no JSON ({error}); --text takes it as a string"
        ) from None


def _standard_input() -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        raise InvalidValueError(f"standard input is no text in {error.encoding}: {error}") from None


def _retention(text: str | None) -> Retention:
    if text is None:
        return None
    if text == "never":
        return NEVER_EXPIRE
    try:
        return timedelta(seconds=_number(text, "--retention"))
    except OverflowError:
        raise InvalidValueError(f"--retention {text} is too long: never has no end") from None


def _get(arguments: argparse.Namespace) -> int:
    entry = _context(arguments).task_store.entry(arguments.key)
    if entry is not None:
        _show(entry.value)
        return DONE
    if arguments.default is None:
        return complain(f"there is no key {arguments.key!r}", NO_KEY)
    _show(_json(arguments.default))
    return DONE


def _set(arguments: argparse.Namespace) -> int:
    text = _standard_input() if arguments.value == "-" else arguments.value
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
    import signal  # noqa: PLC0415 - only here

    store, seen = _context(arguments).task_store, None
    # As process 1 of a container it would not be ended by this one otherwise.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        while True:
            entry = store.entry(arguments.key)
            # The time too: a key that is deleted and set again counts its versions afresh.
            if entry is not None and (entry.version, entry.updated_at) != seen:
                seen = (entry.version, entry.updated_at)
                _show(entry.value)
            if _nobody_reads_for(arguments.interval):
                return DONE
    except KeyboardInterrupt:
        return DONE


def _nobody_reads_for(seconds: float) -> bool:
    """Wait so long; whether the output's reader has gone meanwhile: a pipe tells it only who writes."""
    import select  # noqa: PLC0415 - only here

    poll = select.poll()
    with suppress(AttributeError, OSError, ValueError):  # the output is closed, or no file
        poll.register(sys.stdout.fileno(), 0)
    end = time.monotonic() + seconds
    if any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(seconds * 1000)):
        return True
    time.sleep(
        max(0.0, end - time.monotonic())
    )  # a device that cannot be waited for answers at once
    return False


def _run(arguments: argparse.Namespace) -> int:
    program = cli_run.program_of(arguments)
    return cli_run.run(program, _context(arguments), arguments)


if __name__ == "__main__":
    sys.exit(main())
