"""Attempts fence each other: once a newer one has started, an older one writes nothing."""

import threading

import pytest

from statestore import queries
from statestore.errors import StaleAttemptError
from statestore.protocol import TaskScope
from statestore.services import Writer, attempt_start, entry_delete, entry_patch
from tests.storage import put
from tests.threads import all_at_once


@pytest.mark.django_db
def test_attempts_are_numbered_from_one(scope: TaskScope) -> None:
    assert [attempt_start(scope=scope) for _ in range(3)] == [1, 2, 3]
    assert attempt_start(scope=scope.at(0)) == 1


@pytest.mark.django_db
def test_the_newest_attempt_and_those_that_do_not_say_may_write(scope: TaskScope) -> None:
    attempt_start(scope=scope)
    attempt_start(scope=scope)

    put(scope, "k", "1", writer=Writer("me", attempt=2))
    assert queries.entry_get(scope=scope, key="k").attempt == 2
    put(scope, "k", "2")
    assert queries.entry_get(scope=scope, key="k").attempt is None


@pytest.mark.django_db
def test_a_stale_attempt_is_told_the_newest_and_changes_nothing(scope: TaskScope) -> None:
    stale = Writer("me", attempt=attempt_start(scope=scope))
    put(scope, "k", "1", writer=stale)
    attempt_start(scope=scope)

    with pytest.raises(StaleAttemptError) as refused:
        put(scope, "k", "2", writer=stale)
    with pytest.raises(StaleAttemptError):
        put(scope, "new", "2", writer=stale)
    with pytest.raises(StaleAttemptError):
        entry_patch(scope=scope, key="k", value="2", decoded=2, writer=stale)
    with pytest.raises(StaleAttemptError):
        entry_delete(scope=scope, key="k", writer=stale)
    with pytest.raises(StaleAttemptError):
        entry_delete(scope=scope, key="never-written", writer=stale)

    assert refused.value.extra == {"attempt": 1, "newest_attempt": 2}
    page = queries.entry_page(scope=scope)
    assert [(entry.key, entry.value, entry.version) for entry in page.entries] == [("k", "1", 1)]


@pytest.mark.django_db(transaction=True)
def test_twenty_starts_at_once_get_twenty_numbers(scope: TaskScope) -> None:
    numbers = all_at_once(lambda _: attempt_start(scope=scope), range(20))

    assert sorted(numbers) == list(range(1, 21))


@pytest.mark.django_db(transaction=True)
def test_no_write_of_an_older_attempt_lands_after_a_newer_one_has_started(
    scope: TaskScope,
) -> None:
    """A writer that races with the start: once the start has returned, the value stays as it is."""
    seen: list[tuple[str, int]] = []
    refused = threading.Event()

    def write_until_refused(attempt: int) -> None:
        for number in range(10_000):
            try:
                put(scope, "k", str(number), writer=Writer("old", attempt=attempt))
            except StaleAttemptError:
                refused.set()
                return

    def start_the_next(attempt: int) -> None:
        while not seen and not queries.entry_page(scope=scope).total:
            pass
        attempt_start(scope=scope)
        entry = queries.entry_get(scope=scope, key="k")
        seen.append((entry.value, entry.version))

    attempt = attempt_start(scope=scope)
    all_at_once(lambda role: role(attempt), [write_until_refused] * 3 + [start_the_next])

    after = queries.entry_get(scope=scope, key="k")
    assert refused.is_set()
    assert seen == [(after.value, after.version)]
