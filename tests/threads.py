"""Many callers at once."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, TypeVar

from django.db import OperationalError, connection

Argument = TypeVar("Argument")
Result = TypeVar("Result")


def _connect() -> None:
    """Connect, with patience: tests that run beside this one take connections too."""
    end = time.monotonic() + 50
    while True:
        try:
            connection.ensure_connection()
        except OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
        else:
            return


def all_at_once(
    function: Callable[[Argument], Result], arguments: Iterable[Argument]
) -> list[Result]:
    """Call the function in one thread for each argument, released at the same moment.

    Every thread has a database connection of its own, closed at its end.
    """
    waiting = list(arguments)
    barrier = Barrier(len(waiting))

    def call(argument: Argument) -> Result:
        try:
            _connect()
            barrier.wait(60)
            return function(argument)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(waiting)) as pool:
        return list(pool.map(call, waiting))


def run_async(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """What the coroutine returns; in a thread of its own, for Playwright keeps a loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait for it, a busy machine's time at most."""
    until = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)
