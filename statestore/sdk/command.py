"""A command that `statestore run` runs: signals reach it, and whatever it leaves behind is reaped."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

Complain = Callable[[str, int], int]


class Interrupted(BaseException):
    """A signal that asks to end came, and there is no command any more to pass it on to."""


class Command:
    """Runs one command. Signals that ask to end are passed on to it; once it has ended, they interrupt."""

    def __init__(self, program: Sequence[str]) -> None:
        self.program = list(program)
        self.status: int | None = None
        """The exit status, in a shell's way; None: it has not ended."""
        self._pid: int | None = None
        self._early: list[int] = []
        self._late = False
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup's command ignores it too
                signal.signal(number, self._pass_on)

    def run(self, environment: Mapping[str, str], complain: Complain) -> None:
        """Run it, until it has ended; its status is 126 or 127 where it is no program."""
        name = self.program[0]
        try:
            process = subprocess.Popen(self.program, env=environment)  # noqa: S603 - the user's own
        except FileNotFoundError:
            self.status = complain(f"{name}: there is no such command", 127)
            return
        except OSError as error:
            self.status = complain(f"{name}: this is no program that may be run ({error})", 126)
            return
        self._pid, process.returncode = process.pid, 0  # it is reaped below: Popen need not look
        for number in self._early:
            os.kill(self._pid, number)
        self._wait()

    def _wait(self) -> None:
        # For any child: process 1 of a container inherits whatever has lost its parent.
        while self.status is None:
            pid, ended = os.waitpid(-1, 0)
            if pid == self._pid:
                code = os.waitstatus_to_exitcode(ended)
                self.status = code if code >= 0 else 128 - code
        if self._late:
            raise Interrupted

    def ignore_signals(self) -> None:
        """Nothing is left that could be interrupted."""
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def _pass_on(self, number: int, _: Any) -> None:
        if self.status is not None:
            raise Interrupted
        if self._pid is None:
            self._early.append(number)
        elif number != signal.SIGINT or not sys.stdin.isatty():  # Ctrl-C reaches it by itself
            try:
                os.kill(self._pid, number)
            except ProcessLookupError:  # it was reaped a moment ago
                self._late = True
