"""Which right each request needs, and over which dags."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from statestore.access import Right
from statestore.protocol import TaskScope
from tests.api.conftest import Api, task_path

NEEDS = {
    ("GET", "state-store/key"): {Right.VIEW},
    ("PUT", "state-store/key"): {Right.WRITE},
    ("PATCH", "state-store/key"): {Right.WRITE},
    ("DELETE", "state-store/key"): {Right.WRITE, Right.CLEAR},
    ("GET", "state-store"): {Right.VIEW},
    ("DELETE", "state-store"): {Right.CLEAR},
    ("POST", "attempts"): {Right.WRITE},
}


@pytest.mark.parametrize("right", Right)
@pytest.mark.parametrize(("method", "rest"), NEEDS)
def test_each_request_needs_its_right_and_no_other(
    api: Api, token_of: Callable[..., str], method: str, rest: str, right: Right
) -> None:
    api.put("key", 1)
    response = api.at(token=token_of(right)).send(
        method, task_path(api.scope, rest), b'{"value": 2}'
    )
    if right in NEEDS[method, rest]:
        assert response.status_code in {200, 201, 204}
    else:
        assert (response.status_code, response.json()["code"]) == (403, "forbidden")
        assert any(str(needed) in response.json()["detail"] for needed in NEEDS[method, rest])
        assert api.value("key") == 1


@pytest.mark.parametrize(("method", "rest"), NEEDS)
def test_a_dag_out_of_reach_answers_like_one_that_does_not_exist(
    api: Api, token_of: Callable[..., str], method: str, rest: str
) -> None:
    api.put("key", 1)
    outsider = token_of(*Right, dags="hr_*, finance")

    def answer(scope: TaskScope) -> tuple[int, str]:
        response = api.at(token=outsider).send(method, task_path(scope, rest), b'{"value": 2}')
        return response.status_code, response.content.decode().replace(scope.dag_id, "DAG")

    exists, missing = answer(api.scope), answer(replace(api.scope, dag_id="nosuchdag"))
    assert exists == missing
    assert exists[0] in {200, 403, 404}
    assert api.value("key") == 1


@pytest.mark.parametrize(
    ("dags", "dag_id", "reached"),
    [
        ("*", "anything", True),
        ("sales_*", "sales_eu", True),
        ("sales_*", "presales_eu", False),
        ("sales_*", "Sales_eu", False),
        ("hr, sales_*", "sales_eu", True),
        ("hr, sales_*", "hr", True),
        ("hr, sales_*", "hr2", False),
        ("s?les", "sales", True),
        ("sales.eu", "salesxeu", False),
        ("", "sales", False),
    ],
)
def test_patterns_limit_a_token_to_dags(
    api: Api, token_of: Callable[..., str], dags: str, dag_id: str, reached: bool
) -> None:
    token = token_of(*Right, dags=dags)
    limited = api.at(token=token, scope=TaskScope(dag_id, api.scope.run_id, "task"))
    assert limited.put("key", 1).status_code == (204 if reached else 403)
    assert limited.get("key").status_code == (200 if reached else 404)
