"""`statestore run`: a command as the next attempt of a task, with a token of its own."""

import argparse
import os
import sys
import time
from datetime import timedelta
from typing import Final

from statestore.protocol import TASK_TOKEN_PREFIX
from statestore.sdk.command import Command, Interrupted
from statestore.sdk.context import TaskContext
from statestore.sdk.errors import ForbiddenError, InvalidValueError, StatestoreError

TASK_VARIABLE: Final = "STATESTORE_TASK"
ATTEMPT_VARIABLE: Final = "STATESTORE_ATTEMPT"
TOKEN_VARIABLE: Final = "STATESTORE_TOKEN"  # noqa: S105 - its name
TOKEN_DAYS: Final = 7


def complain(error: Exception | str, status: int) -> int:
    """One line for people; the status to end with."""
    print(f"statestore: {error}", file=sys.stderr)  # noqa: T201 - a command's words
    return status


def add_options(parser: argparse.ArgumentParser) -> None:
    """What `run` takes."""
    parser.add_argument(
        "--token",
        dest="handed",
        choices=["task", "own", "either"],
        default="task",
        help="what the command gets as STATESTORE_TOKEN: one that reaches this task instance alone"
        " (needs the rights to view, write and clear), this one, or this one where there is no such"
        " right (default: task)",
    )
    parser.add_argument(
        "--token-days",
        type=_days,
        default=timedelta(days=TOKEN_DAYS),
        metavar="DAYS",
        help=f"how long the task's token lives, at most 30 (default: {TOKEN_DAYS})",
    )
    parser.add_argument("program", nargs=argparse.REMAINDER, metavar="-- COMMAND …")


def _days(text: str) -> timedelta:
    days = float(text)
    if not 0 < days <= 30:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 30 days")
    return timedelta(days=days)


def program_of(arguments: argparse.Namespace) -> list[str]:
    """The command and its arguments."""
    words: list[str] = arguments.program
    program = words[1:] if words[:1] == ["--"] else words
    if not program:
        raise InvalidValueError("name the command to run: statestore run --task … -- COMMAND")
    return program


def run(program: list[str], context: TaskContext, arguments: argparse.Namespace) -> int:
    """Run the command as the next attempt; its exit status."""
    token = _token_for(arguments, context)
    attempt = context.start_attempt()
    environment = {
        **os.environ,
        TASK_VARIABLE: arguments.task,
        ATTEMPT_VARIABLE: str(attempt),
        **token,
    }
    command, started = Command(program), time.monotonic()
    try:
        command.run(environment, complain)
        seconds = round(time.monotonic() - started, 3)
        end = {"attempt": attempt, "exit_status": command.status, "seconds": seconds}
        context.task_store.set("exit", end)
    except (Interrupted, StatestoreError) as error:
        # What the command has done counts, not who could be told.
        complain(f"the exit status was not stored: {str(error) or 'interrupted'}", 0)
    finally:
        command.ignore_signals()
    return command.status or 0


def _token_for(arguments: argparse.Namespace, context: TaskContext) -> dict[str, str]:
    """The variable with the command's token; none where it keeps this one."""
    without_server = os.environ.get("STATESTORE_MODE") == "off"
    of_task = os.environ.get(TOKEN_VARIABLE, "").startswith(TASK_TOKEN_PREFIX)
    if arguments.handed == "own" or without_server or of_task:
        return {}
    try:
        return {TOKEN_VARIABLE: context.task_token(arguments.token_days)}
    except ForbiddenError as error:
        if arguments.handed == "task":
            raise ForbiddenError(
                f"No token for this task alone: {error} It needs the rights to view, write and clear;"
                " --token own hands this token to the command."
            ) from None
        complain(f"NO TOKEN FOR THIS TASK ALONE ({error}): the command gets this one", 0)
        return {}
