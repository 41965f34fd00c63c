"""Many writers of one key at once."""

import pytest

from statestore import queries
from statestore.errors import PreconditionFailedError
from statestore.models import TaskInstance
from statestore.protocol import TaskScope
from statestore.services import Precondition
from tests.storage import expire, put
from tests.threads import all_at_once

pytestmark = pytest.mark.django_db(transaction=True)

WRITERS = 20


def try_to_put(scope: TaskScope, number: int, precondition: Precondition) -> bool:
    try:
        put(scope, "job", str(number), precondition=precondition)
    except PreconditionFailedError:
        return False
    return True


def test_one_of_fifty_that_create_only_wins(scope: TaskScope) -> None:
    """The reservation of an external job: also where the task instance itself is new."""
    create = Precondition(absent=True)

    won = all_at_once(lambda number: try_to_put(scope, number, create), range(50))

    assert won.count(True) == 1
    entry = queries.entry_get(scope=scope, key="job")
    assert (entry.value, entry.version) == (str(won.index(True)), 1)
    assert TaskInstance.objects.filter(scope_digest=scope.digest).count() == 1


def test_one_of_many_takes_the_place_of_an_expired_entry(scope: TaskScope) -> None:
    put(scope, "job", "-1")
    expire(scope, "job")
    create = Precondition(absent=True)

    won = all_at_once(lambda number: try_to_put(scope, number, create), range(WRITERS))

    assert won.count(True) == 1
    assert queries.entry_get(scope=scope, key="job").value == str(won.index(True))


def test_one_of_many_that_expect_a_version_wins(scope: TaskScope) -> None:
    put(scope, "job", "-1")
    first = Precondition(version=1)

    won = all_at_once(lambda number: try_to_put(scope, number, first), range(WRITERS))

    assert won.count(True) == 1
    entry = queries.entry_get(scope=scope, key="job")
    assert (entry.value, entry.version) == (str(won.index(True)), 2)


def test_writes_without_a_precondition_are_all_counted(scope: TaskScope) -> None:
    versions = all_at_once(lambda number: put(scope, "job", str(number)), range(WRITERS))

    assert sorted(versions) == list(range(1, WRITERS + 1))
    last = versions.index(WRITERS)
    assert queries.entry_get(scope=scope, key="job").value == str(last)
