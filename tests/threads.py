"""Many callers at once."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from django.db import connection

Argument = TypeVar("Argument")
Result = TypeVar("Result")


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
            connection.ensure_connection()
            barrier.wait(30)
            return function(argument)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(waiting)) as pool:
        return list(pool.map(call, waiting))
