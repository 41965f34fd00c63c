"""How PostgreSQL plans what pages ask."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def planned_each_time() -> Iterator[None]:
    """Plan each statement for its parameters, as long as this lasts; also a decorator.

    A statement that is prepared gets one plan for all parameters once it has run some times: for a
    write by its key that is a gain, but for a page it is a guess, good for `done` or for `failed`.
    """
    raw = connection.connection
    if connection.vendor != "postgresql" or raw is None:
        yield
        return
    before, raw.prepare_threshold = raw.prepare_threshold, None
    try:
        yield
    finally:
        raw.prepare_threshold = before
