"""Clearing a task instance's entries, or those of all its task's map indices."""

import pytest

from statestore import queries
from statestore.errors import StaleAttemptError
from statestore.models import TaskInstance
from statestore.protocol import Status, TaskScope
from statestore.services import Writer, attempt_start, entries_clear
from tests.storage import ME, put

pytestmark = pytest.mark.django_db


def test_it_deletes_every_entry_and_nothing_of_others(scope: TaskScope) -> None:
    other = TaskScope(scope.dag_id, scope.run_id, "other")
    for key in ("a", "b"):
        put(scope, key, "1")
    put(scope.at(0), "a", "1")
    put(other, "a", "1")

    assert entries_clear(scope=scope, writer=ME) == 2

    assert queries.entry_page(scope=scope).total == 0
    assert queries.entry_page(scope=scope.at(0)).total == 1
    assert queries.entry_page(scope=other).total == 1


def test_all_map_indices_are_the_task_s_and_no_other_task_s(scope: TaskScope) -> None:
    others = [
        TaskScope(scope.dag_id, scope.run_id, "other", 1),
        TaskScope(scope.dag_id, scope.run_id + "0", scope.task_id, 1),
        TaskScope(scope.dag_id + "0", scope.run_id, scope.task_id, 1),
    ]
    for each in [scope, scope.at(0), scope.at(7), *others]:
        put(each, "a", "1")

    assert entries_clear(scope=scope.at(3), writer=ME, all_map_indices=True) == 3

    assert queries.entry_page(scope=scope.at(7)).total == 0
    assert [queries.entry_page(scope=other).total for other in others] == [1, 1, 1]


def test_a_task_instance_that_nobody_knows_has_nothing_to_clear(scope: TaskScope) -> None:
    assert entries_clear(scope=scope, writer=ME) == 0
    assert entries_clear(scope=scope, writer=ME, all_map_indices=True) == 0
    assert not TaskInstance.objects.filter(scope_digest=scope.digest).exists()


def test_the_attempt_number_stays(scope: TaskScope) -> None:
    attempt_start(scope=scope)
    put(scope, "a", "1", writer=Writer("me", attempt=1))
    entries_clear(scope=scope, writer=ME)

    assert attempt_start(scope=scope) == 2


@pytest.mark.parametrize("everything", [False, True])
def test_a_stale_attempt_clears_nothing(scope: TaskScope, everything: bool) -> None:
    attempt_start(scope=scope)
    attempt_start(scope=scope)
    put(scope, "a", "1")

    with pytest.raises(StaleAttemptError):
        entries_clear(scope=scope, writer=Writer("me", attempt=1), all_map_indices=everything)

    assert queries.entry_page(scope=scope).total == 1


def test_a_cleared_progress_leaves_no_status_behind(scope: TaskScope) -> None:
    put(scope, "progress", '{"status": "failed"}')
    instance = TaskInstance.objects.get(scope_digest=scope.digest)
    assert instance.status == Status.FAILED.value

    entries_clear(scope=scope, writer=ME)

    instance.refresh_from_db()
    assert instance.status == Status.NONE.value
