"""The command `spark-submit`: its line for an application, and what became of it.

The process lives no longer than whoever waits for it. One that went on after its worker was killed could
submit at any time, also after the next attempt has searched, and found nothing.
"""

import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from statestore.jobs.spark.application import OPTIONS, Application
from statestore.jobs.spark.properties_file import defaults_of, written
from statestore.sdk.errors import JobSystemUnreachableError, StatestoreError

_LEFT_BEHIND: Final = "STATESTORE_PROPERTIES_FILE"
"""The variable that names the file that a killed worker cannot delete."""
_GUARDED: Final = (
    f'exec 3<&0; {{ cat <&3; rm -f "${_LEFT_BEHIND}"; kill -KILL 0; }} >/dev/null 2>&1 & '
    'exec 3<&-; "$@" </dev/null'
)
"""Runs a command, and kills it with all that it has started as soon as nobody holds our end of the pipe."""
_KILLED: Final = 128  # a shell's exit status above that: a signal ended the command
_AWAY: Final = re.compile(
    r"Connection refused|ConnectException|SocketTimeoutException|ConnectTimeoutException"
    r"|NoRouteToHostException|Connection reset|Failed on local exception|Retrying connect to server"
    r"|EOFException|NoHttpResponseException",
)
_LINES: Final = 15  # of the output: the last ones say why
_FRAME: Final = re.compile(r"\s+(at |\.\.\. \d+ more)")
"""A line of a stack trace that says only where."""


class SparkSubmitError(StatestoreError):
    """spark-submit ended with an exit status other than 0; `output` is all that it wrote."""

    def __init__(self, message: str, output: str) -> None:
        super().__init__(message)
        self.output = output


def command_line(
    application: Application,
    *,
    master: str,
    command: str = "spark-submit",
    options: Mapping[str, Any] | None = None,
) -> list[str]:
    """What to run for an application whose driver is to run in the cluster, but for its properties.

    Args:
        application: what to submit.
        master: `--master`.
        command: the path of `spark-submit`.
        options: further options by their long names, with underscores: `{"queue": "etl"}`; None: left out.
    """
    given: dict[str, Any] = {"master": master, "deploy_mode": "cluster"}
    given |= {"class": application.main_class} if application.main_class else {}
    given |= {option: getattr(application, option) for option in OPTIONS.values()}
    given |= options or {}
    line = [command]
    for name, value in given.items():
        if value is not None:
            line += [f"--{name.replace('_', '-')}", str(value)]
    return [*line, application.application, *application.application_args]


def submit(
    line: Sequence[str],
    *,
    properties: Mapping[str, str],
    properties_file: str | None = None,
    timeout: float,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run the command line with properties, which may be secrets; as `run`.

    They stand in a file, behind those of `properties_file`, or of the `spark-defaults.conf` that it
    replaces. Where nobody can tell which that is, they stand in the command line.
    """
    command, *words = line
    base = Path(properties_file) if properties_file else defaults_of(command, environment or {})
    if base is None:
        told = [word for each in properties.items() for word in ("--conf", "=".join(each))]
        return run([command, *told, *words], timeout=timeout, environment=environment)
    if properties_file and not base.exists():
        raise StatestoreError(f"There is no properties_file {properties_file}.")
    with written(properties, base) as file:
        told = ["--properties-file", str(file)]
        variables = {**(environment or {}), _LEFT_BEHIND: str(file)}
        return run([command, *told, *words], timeout=timeout, environment=variables)


def run(
    line: Sequence[str], *, timeout: float, environment: Mapping[str, str] | None = None
) -> str:
    """What the command wrote until it had ended well.

    Args:
        line: the command.
        timeout: seconds after which it is killed.
        environment: variables beside those of this process.

    Raises:
        JobSystemUnreachableError: it was killed, or the cluster did not answer: it may have submitted.
        SparkSubmitError: it ended otherwise.
    """
    guarded, held = os.pipe()
    try:
        with subprocess.Popen(  # noqa: S603 - arguments are handed over one by one
            ["/bin/sh", "-c", _GUARDED, "spark-submit", *line],
            env={**os.environ, **(environment or {})},
            stdin=guarded,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:
            try:
                output, _ = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                raise JobSystemUnreachableError(
                    f"{line[0]} had not ended after {timeout:g} s, and was killed."
                ) from None
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
    finally:
        os.close(guarded)
        os.close(held)
    if process.returncode:
        _explain(line[0], process.returncode, output)
    return output


def _explain(command: str, status: int, output: str) -> None:
    lines = [line for line in output.strip().splitlines() if not _FRAME.match(line)]
    said = "\n".join(lines[-_LINES:])
    problem = f"{command} ended with exit status {status}: {said}"
    if status in {126, 127}:
        raise StatestoreError(
            f"{problem}\nIs it on the PATH? Else say where it is: spark_submit='/…/bin/spark-submit'."
        )
    if status < 0 or status > _KILLED or _AWAY.search(output):
        raise JobSystemUnreachableError(problem)
    raise SparkSubmitError(problem, output)
