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
from typing import Any, Final

from statestore.jobs.spark.application import OPTIONS, TOKEN_PROPERTY, Application
from statestore.sdk.errors import JobSystemUnreachableError, StatestoreError

_GUARDED: Final = (
    'exec 3<&0; { cat <&3; kill -KILL 0; } >/dev/null 2>&1 & exec 3<&-; "$@" </dev/null'
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
    token: str,
    *,
    master: str,
    command: str = "spark-submit",
    options: Mapping[str, Any] | None = None,
    conf: Mapping[str, str] | None = None,
) -> list[str]:
    """What to run for an application whose driver is to run in the cluster.

    Args:
        application: what to submit.
        token: goes into our property.
        master: `--master`.
        command: the path of `spark-submit`.
        options: further options by their long names, with underscores: `{"queue": "etl"}`; None: left out.
        conf: further properties; they win over the application's own.
    """
    given: dict[str, Any] = {"master": master, "deploy_mode": "cluster"}
    given |= {"class": application.main_class} if application.main_class else {}
    given |= {option: getattr(application, option) for option in OPTIONS.values()}
    given |= options or {}
    line = [command]
    for name, value in given.items():
        if value is not None:
            line += [f"--{name.replace('_', '-')}", str(value)]
    properties = {**application.conf, **(conf or {}), TOKEN_PROPERTY: token}
    for name, value in properties.items():
        line += ["--conf", f"{name}={value}"]
    return [*line, application.application, *application.application_args]


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
