"""Statestore-Write: an overwrite that arrives late, or twice, changes nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError

from statestore.access import Right
from statestore.models import TaskInstance
from statestore.protocol import WRITE_HEADER
from statestore.services import summaries
from tests.api.conftest import Api, task_path


def numbered(write: str) -> dict[str, Any]:
    return {WRITE_HEADER: write}


def put(api: Api, value: int, write: str, **headers: Any) -> int:
    content = b'{"value": %d}' % value
    return int(api.entry("PUT", "key", content, **numbered(write), **headers).status_code)


def state(api: Api, key: str = "key") -> tuple[Any, str]:
    response = api.get(key)
    return response.json()["value"], response["ETag"]


@pytest.mark.django_db
def test_a_write_that_comes_after_a_later_one_changes_nothing(api: Api) -> None:
    assert put(api, 6, "a-2") == 204
    late = api.entry("PUT", "key", b'{"value": 5}', **numbered("a-1"))
    assert (late.status_code, late.has_header("ETag")) == (204, False)
    assert state(api) == (6, '"1"')


@pytest.mark.django_db
def test_a_write_that_is_sent_twice_is_one_write(api: Api) -> None:
    assert [put(api, 5, "a-1") for _ in range(3)] == [204] * 3
    assert state(api) == (5, '"1"')


@pytest.mark.django_db
def test_another_client_is_not_held_up(api: Api) -> None:
    put(api, 6, "a-9")
    put(api, 7, "b-1")
    assert state(api) == (7, '"2"')
    api.put("key", 8)  # one that numbers nothing
    assert state(api) == (8, '"3"')


@pytest.mark.django_db
def test_a_client_of_other_credentials_with_the_same_name_is_another_one(
    api: Api, token_of: Callable[..., str]
) -> None:
    other = api.at(token=token_of(*Right))
    put(other, 6, "a-9")
    put(api, 7, "a-1")
    assert state(api) == (7, '"2"')
    ids = {"dag_id": api.scope.dag_id, "run_id": api.scope.run_id, "task_id": api.scope.task_id}
    body = {"operations": [{"op": "set", "key": "key", "value": 8, **ids}]}
    other.send_json("POST", "/api/v2/state-store/batch", body, **numbered("a-1"))
    assert state(api) == (8, '"3"')


@pytest.mark.django_db
def test_every_operation_of_a_batch_is_carried_out_also_on_one_key(api: Api) -> None:
    ids = {"dag_id": api.scope.dag_id, "run_id": api.scope.run_id, "task_id": api.scope.task_id}
    operations = [{"op": "set", "key": "key", "value": value, **ids} for value in (1, 2, 3)]
    path = "/api/v2/state-store/batch"
    for _ in range(2):
        response = api.send_json("POST", path, {"operations": operations}, **numbered("a-1"))
        assert response.status_code == 200
    assert state(api) == (3, '"3"')


@pytest.mark.django_db
@pytest.mark.parametrize("write", ["", "a", "1", "a-", "a-x", "a b-1", "a-1-1", "x" * 17 + "-1"])
def test_another_form_is_refused(api: Api, write: str) -> None:
    assert put(api, 5, write) == 422
    assert api.get("key").status_code == 404


@pytest.mark.django_db
def test_a_conditional_write_of_a_lower_number_is_judged_by_its_condition(api: Api) -> None:
    assert put(api, 6, "a-2", If_None_Match="*") == 204
    assert put(api, 5, "a-1", If_None_Match="*") == 412
    assert state(api) == (6, '"1"')


@pytest.mark.django_db
def test_increments_of_one_client_are_all_added_in_whatever_order(api: Api) -> None:
    path = task_path(api.scope, "state-store/key/increment")
    for number in (3, 1, 2):
        api.send("POST", path, b'{"by": 1}', **numbered(f"a-{number}"))
    assert state(api)[0] == 3


@pytest.mark.django_db
@pytest.mark.parametrize("late", ["a-1", "a-2"])
def test_what_came_between_is_not_undone_by_a_late_overwrite(api: Api, late: str) -> None:
    put(api, 6, "a-2")
    api.send("POST", task_path(api.scope, "state-store/key/increment"), b'{"by": 1}')
    api.entry("PATCH", "key", b'{"value": 8}', **numbered("a-3"))
    assert api.entry("PUT", "key", b'{"value": 9}', If_Match='"3"').status_code == 204
    assert put(api, 6, late) == 204
    assert state(api) == (9, '"4"')
    assert put(api, 1, "a-3") == 204  # sent before the PATCH of a higher number, or after it
    assert state(api) == (1, '"5"')


@pytest.mark.django_db
def test_a_late_overwrite_of_what_has_expired_brings_it_not_back(api: Api) -> None:
    content = b'{"value": 6, "expires_in": 0}'
    assert api.entry("PUT", "key", content, **numbered("a-2")).status_code == 204
    assert put(api, 5, "a-1") == 204
    assert api.get("key").status_code == 404
    assert put(api, 7, "a-3") == 204
    assert state(api)[0] == 7


@pytest.mark.django_db(transaction=True)
def test_a_report_that_is_sent_again_settles_the_status_that_the_first_did_not_come_to(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def report(status: str, write: str) -> int:
        content = b'{"value": {"status": "%s"}}' % status.encode()
        return int(api.entry("PUT", "progress", content, **numbered(write)).status_code)

    assert report("running", "a-1") == 204
    with monkeypatch.context() as failing:
        failing.setattr(summaries, "update", fail)
        assert report("done", "a-2") == 503

    assert report("done", "a-2") == 204

    task = TaskInstance.objects.get(scope_digest=api.scope.digest)
    assert (task.status, state(api, "progress")) == ("done", ({"status": "done"}, '"2"'))


def fail(*_: object) -> None:
    """As a database that is restarted."""
    raise OperationalError("the connection is lost")
