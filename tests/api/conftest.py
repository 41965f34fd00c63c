"""A client of the API in this process: Django's own, with a token and a task instance."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from statestore.access import Right
from statestore.protocol import TaskScope
from statestore.services import api_token_create

JSON = "application/json"
Answer = Any  # of Django's test client: a response that has json()


def task_path(scope: TaskScope, rest: str = "state-store") -> str:
    """The path of a task instance's resource, percent-encoded."""
    dag, run, task = (quote(part, safe="") for part in (scope.dag_id, scope.run_id, scope.task_id))
    return f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}/{rest}"


@dataclass(frozen=True)
class Api:
    """Sends requests about one task instance, by default with a token that may do everything."""

    scope: TaskScope
    token: str | None

    def send(
        self,
        method: str,
        path: str,
        content: bytes = b"",
        *,
        content_type: str = JSON,
        **headers: str,
    ) -> Answer:
        """Any request; `If_Match="…"` is the header If-Match."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token is not None:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        response: Answer = Client().generic(
            method,
            path,
            content,
            content_type=content_type,
            headers=sent,
            CONTENT_TYPE=content_type,
        )
        return response

    def send_json(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        """Any request with a body of JSON, or with none."""
        content = b"" if body is None else json.dumps(body).encode()
        return self.send(method, path, content, **options)

    def entry(
        self,
        method: str,
        key: str,
        content: bytes = b"",
        *,
        map_index: int | None = None,
        **headers: Any,
    ) -> Answer:
        """A request about one key."""
        query = "" if map_index is None else f"?map_index={map_index}"
        path = task_path(self.scope, f"state-store/{quote(key, safe='')}")
        return self.send(method, path + query, content, **headers)

    def get(self, key: str, **options: Any) -> Answer:
        """GET a key."""
        return self.entry("GET", key, **options)

    def put(self, key: str, value: Any, *, map_index: int | None = None, **members: Any) -> Answer:
        """PUT a value, with other members of the body."""
        content = json.dumps({"value": value, **members}).encode()
        return self.entry("PUT", key, content, map_index=map_index)

    def put_text(self, key: str, body: str | bytes, **headers: Any) -> Answer:
        """PUT a body as it is."""
        content = body if isinstance(body, bytes) else body.encode()
        return self.entry("PUT", key, content, **headers)

    def collection(self, method: str, query: str = "", **headers: Any) -> Answer:
        """A request about all keys."""
        return self.send(method, task_path(self.scope) + query, **headers)

    def start_attempt(self) -> int:
        """Start the next attempt; its number."""
        return int(self.send("POST", task_path(self.scope, "attempts")).json()["attempt"])

    def value(self, key: str, **options: Any) -> Any:
        """The value of a key that is there."""
        response = self.get(key, **options)
        assert response.status_code == 200, response.content
        return response.json()["value"]

    def keys(self, map_index: int = -1) -> list[str]:
        """Every key that the task instance has."""
        page = self.collection("GET", f"?map_index={map_index}").json()
        return [row["key"] for row in page["task_state_store"]]

    def at(self, **changes: Any) -> "Api":
        """The same for another scope or token."""
        return replace(self, **changes)


def value_text(response: Answer) -> str:
    """The JSON text of the value, as the answer has it."""
    found = re.search(r'"value":(.*),"updated_at":', response.content.decode(), re.DOTALL)
    assert found, response.content
    return found[1]


def problem(response: Answer) -> dict[str, Any]:
    """The one problem that a 422 names."""
    assert response.status_code == 422, response.content
    body = response.json()
    assert body["code"] == "invalid"
    (only,) = body["detail"]
    assert set(only) == {"loc", "msg", "type"}
    return dict(only)


@pytest.fixture
def token_of(db: None) -> Callable[..., str]:
    """Creates tokens: `token_of(Right.VIEW, dags="sales_*")`."""

    def create(*rights: Right, dags: str = "*", **options: Any) -> str:
        return api_token_create(name="worker", rights=rights, dag_patterns=dags, **options)[1]

    return create


@pytest.fixture
def api(scope: TaskScope, token_of: Callable[..., str]) -> Api:
    """A client that may do everything, at a task instance of its own."""
    return Api(scope, token_of(*Right))
