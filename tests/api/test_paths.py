"""Every scope and key has a path of its own, and every path leads back to them."""

from typing import Any
from urllib.parse import quote, unquote

import pytest
from django.urls import resolve
from hypothesis import example, given
from hypothesis import strategies as st

from statestore.protocol import InvalidInput, TaskScope, check_key, check_scope
from tests.api.conftest import Api, task_path

WORDS = ["dagRuns", "taskInstances", "state-store", "attempts", "increment", "dags", "a", "%2F"]
names = st.lists(st.sampled_from(["/", *WORDS]), min_size=1, max_size=6).map("".join)


@given(names, names, names, names)
@example("x/dagRuns", "y", "t", "k")
@example("x", "dagRuns/y", "t", "k")
@example("d", "r", "taskInstances/t", "k")
@example("d", "r", "t", "state-store")
@example("d", "r", "t", "any/state-store")
@example("d", "r", "t", "any/attempts")
@example("d", "r", "t/state-store", "k")
def test_a_path_leads_to_its_scope_and_key(dag: str, run: str, task: str, key: str) -> None:
    try:
        scope = check_scope(TaskScope(dag, run, task))
        check_key(key)
    except InvalidInput:
        return  # has no path
    ids = f"/api/v2/dags/{quote(dag, safe='')}/dagRuns/{quote(run, safe='')}"
    path = f"{ids}/taskInstances/{quote(task, safe='')}/state-store/{quote(key, safe='')}"
    found = resolve(unquote(path)).kwargs  # as a web server decodes it
    assert TaskScope(found["dag_id"], found["run_id"], found["task_id"]) == scope
    assert found["key"] == key


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["state-store", "a/state-store", "attempts", "a/increment"])
def test_a_key_may_be_a_word_of_the_paths(api: Api, key: str) -> None:
    assert api.put(key, 1).status_code == 204
    assert api.value(key) == 1


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["x/state-store/k", "state-store/k"])
def test_a_key_that_a_path_could_not_tell_from_another_tasks_is_refused(api: Api, key: str) -> None:
    """`t/state-store/x` as a task's id would lead to the key `x/…` of the task `t`."""
    api.put("key", 1)
    assert api.put(key, 1).status_code == 422
    assert api.entry("DELETE", key).status_code == 422
    assert api.keys() == ["key"]


@pytest.mark.django_db
@pytest.mark.parametrize("header", ["If_Match", "If_None_Match"])
def test_a_clear_with_a_precondition_is_refused(api: Api, header: str) -> None:
    api.put("key", 1)
    headers: dict[str, Any] = {header: "*"}
    response = api.send("DELETE", task_path(api.scope), **headers)
    assert response.status_code == 422
    assert api.value("key") == 1
