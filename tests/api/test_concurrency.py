"""Many clients at once, against a real server: nothing is lost, nothing is done by half."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import pytest

from statestore.protocol import TaskScope
from tests.api.conftest import task_path
from tests.server import Server

T = TypeVar("T")
MERGE = {"Content-Type": "application/merge-patch+json"}


class Clients:
    """Sends requests from many threads, each with a connection of its own; no answer may be a 5xx."""

    def __init__(self, server: Server) -> None:
        self._server, self._own = server, threading.local()
        self._opened: list[httpx.Client] = []

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        if not hasattr(self._own, "client"):
            token = {"Authorization": f"Bearer {self._server.token}"}
            # Hundreds are opened: none need read the certificates that http:// has no use for.
            self._own.client = httpx.Client(
                base_url=self._server.url, headers=token, timeout=60, verify=False
            )
            self._opened.append(self._own.client)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        answer: httpx.Response = self._own.client.request(method, path, json=body, headers=sent)
        assert answer.status_code < 500, answer.text
        return answer

    def close(self) -> None:
        for client in self._opened:
            client.close()

    @staticmethod
    def at_once(call: Callable[[int], T], numbers: Iterable[int]) -> list[T]:
        numbers = list(numbers)
        with ThreadPoolExecutor(len(numbers)) as pool:
            return list(pool.map(call, numbers))


@pytest.fixture
def clients(server: Server) -> Iterator[Clients]:
    opened = Clients(server)
    yield opened
    opened.close()


def key_path(scope: TaskScope, key: str, rest: str = "") -> str:
    return task_path(scope, f"state-store/{quote(key, safe='')}{rest}")


def ids(scope: TaskScope) -> dict[str, str]:
    return {"dag_id": scope.dag_id, "run_id": scope.run_id, "task_id": scope.task_id}


def value(clients: Clients, scope: TaskScope, key: str) -> Any:
    return clients.send("GET", key_path(scope, key)).json()["value"]


def test_fifty_clients_that_add_a_hundred_times_lose_nothing(
    clients: Clients, scope: TaskScope
) -> None:
    def add(_: int) -> set[int]:
        path = key_path(scope, "count", "/increment")
        return {clients.send("POST", path, {"by": 1}).json()["value"] for _ in range(100)}

    seen = clients.at_once(add, range(50))

    assert value(clients, scope, "count") == 5000
    assert set().union(*seen) == set(range(1, 5001))  # each sum was answered to one of them


def test_one_of_fifty_that_create_only_wins(clients: Clients, scope: TaskScope) -> None:
    for key in ("job", "again"):
        statuses = clients.at_once(
            lambda number, key=key: (
                clients.send(  # type: ignore[misc]
                    "PUT", key_path(scope, key), {"value": number}, If_None_Match="*"
                ).status_code
            ),
            range(50),
        )
        assert Counter(statuses) == {204: 1, 412: 49}
        assert value(clients, scope, key) == statuses.index(204)


def test_a_compare_and_set_loop_loses_nothing(clients: Clients, scope: TaskScope) -> None:
    path = key_path(scope, "list")
    clients.send("PUT", path, {"value": []})

    def append(number: int) -> None:
        while True:
            held = clients.send("GET", path)
            body = {"value": [*held.json()["value"], number]}
            answer = clients.send("PUT", path, body, If_Match=held.headers["ETag"])
            if answer.status_code == 204:
                return
            assert answer.status_code == 412

    clients.at_once(append, range(20))

    assert sorted(value(clients, scope, "list")) == list(range(20))
    assert clients.send("GET", path).headers["ETag"] == '"21"'


def test_merges_of_different_fields_are_all_kept(clients: Clients, scope: TaskScope) -> None:
    path = key_path(scope, "fields")
    clients.send("PUT", path, {"value": {}})

    def merge(number: int) -> None:
        for turn in range(5):
            patch = {f"f{number}": turn}
            assert clients.send("PATCH", path, patch, **MERGE).status_code == 200

    clients.at_once(merge, range(20))

    assert value(clients, scope, "fields") == {f"f{number}": 4 for number in range(20)}


def test_a_batch_is_seen_whole_or_not_at_all(clients: Clients, scope: TaskScope) -> None:
    """Every batch writes its own number under ten keys; a reading batch finds one number."""
    keys = [f"k{number}" for number in range(10)]
    done = threading.Event()

    def write(number: int) -> None:
        for turn in range(8):
            order = random.Random(f"{number} {turn}").sample(keys, len(keys))
            told = [{"op": "set", **ids(scope), "key": key, "value": number} for key in order]
            answer = clients.send("POST", "/api/v2/state-store/batch", {"operations": told})
            assert answer.status_code == 200

    def read(_: int) -> list[set[int]]:
        seen = []
        while not done.is_set():
            listed = clients.send("GET", task_path(scope)).json()["task_state_store"]
            seen.append({row["value"] for row in listed})
        return seen

    with ThreadPoolExecutor(2) as readers:
        reading = [readers.submit(read, number) for number in range(2)]
        clients.at_once(write, range(10))
        done.set()
    assert all(len(found) <= 1 for seen in reading for found in seen.result())


def test_a_batch_that_fails_at_its_end_is_never_seen(clients: Clients, scope: TaskScope) -> None:
    clients.send("PUT", key_path(scope, "taken"), {"value": 0})

    def fail(number: int) -> None:
        told: list[dict[str, Any]] = [
            {"op": "set", **ids(scope), "key": f"new{place}", "value": number}
            for place in range(10)
        ]
        told.append({"op": "set", **ids(scope), "key": "taken", "value": 1, "if_absent": True})
        answer = clients.send("POST", "/api/v2/state-store/batch", {"operations": told})
        assert (answer.status_code, answer.json()["operation"]) == (412, 10)

    clients.at_once(fail, range(20))

    listed = clients.send("GET", task_path(scope)).json()["task_state_store"]
    assert [(row["key"], row["value"]) for row in listed] == [("taken", 0)]


def everything(scopes: list[TaskScope], chance: random.Random) -> list[dict[str, Any]]:
    """Sets and deletes of three keys of each scope; one of them says whether the task runs."""
    told: list[dict[str, Any]] = [
        {**ids(where), "map_index": where.map_index, "key": key}
        for where in scopes
        for key in ("progress", "a", "b")
    ]
    for operation in told:
        operation["op"] = chance.choice(["set", "set", "delete"])
        if operation["op"] == "set":
            operation["value"] = {"status": chance.choice(["running", "done"])}
    return told


def test_writes_of_every_kind_in_every_order_never_wait_for_each_other(
    clients: Clients, scope: TaskScope
) -> None:
    """Batches over the same keys in opposite order, beside all other writes: PostgreSQL would end
    one of two that wait for each other, and the client would hear of it.
    """
    scopes = [scope, scope.at(0), scope.at(1)]

    def write(number: int) -> None:
        chance = random.Random(number)
        for _ in range(12):
            told = everything(scopes, chance)[:: 1 if number % 2 else -1]
            batch = {"operations": told}
            where, key = chance.choice(scopes), chance.choice(["progress", "a", "b"])
            query = f"?map_index={where.map_index}"
            path, every = key_path(where, key) + query, task_path(where) + query
            adding = key_path(where, "n", "/increment") + query
            attempt = chance.choice([{}, {"Statestore_Attempt": "1000000"}])
            requests: list[tuple[str, str, Any, dict[str, str]]] = [
                ("POST", "/api/v2/state-store/batch", batch, attempt),
                ("POST", "/api/v2/state-store/batch", batch, {}),
                ("PATCH", path, {"status": "failed"}, {**MERGE, **attempt}),
                ("DELETE", every + "&all_map_indices=true", None, attempt),
                ("DELETE", every, None, attempt),
                ("PUT", path, {"value": {"status": "done"}}, attempt),
                ("POST", adding, {}, attempt),
            ]
            method, url, body, headers = chance.choice(requests)
            assert clients.send(method, url, body, **headers).status_code < 409

    clients.at_once(write, range(16))


# --- attempts ---

Write = Callable[[Clients, TaskScope, str], httpx.Response]


def _batch(clients: Clients, scope: TaskScope, attempt: str) -> httpx.Response:
    told = [
        {"op": "set", **ids(scope), "key": "a", "value": "late", "attempt": int(attempt)},
        {"op": "set", **ids(scope), "key": "new", "value": "late", "attempt": int(attempt)},
    ]
    return clients.send("POST", "/api/v2/state-store/batch", {"operations": told})


WRITES: dict[str, Write] = {
    "PUT": lambda clients, scope, attempt: clients.send(
        "PUT", key_path(scope, "a"), {"value": "late"}, Statestore_Attempt=attempt
    ),
    "PUT of a new key": lambda clients, scope, attempt: clients.send(
        "PUT", key_path(scope, "new"), {"value": "late"}, Statestore_Attempt=attempt
    ),
    "create-only PUT": lambda clients, scope, attempt: clients.send(
        "PUT", key_path(scope, "new"), {"value": 1}, Statestore_Attempt=attempt, If_None_Match="*"
    ),
    "PATCH": lambda clients, scope, attempt: clients.send(
        "PATCH", key_path(scope, "a"), {"value": "late"}, Statestore_Attempt=attempt
    ),
    "merge": lambda clients, scope, attempt: clients.send(
        "PATCH", key_path(scope, "a"), {"late": True}, Statestore_Attempt=attempt, **MERGE
    ),
    "increment": lambda clients, scope, attempt: clients.send(
        "POST", key_path(scope, "n", "/increment"), {"by": 1}, Statestore_Attempt=attempt
    ),
    "increment of a new key": lambda clients, scope, attempt: clients.send(
        "POST", key_path(scope, "new", "/increment"), {"by": 1}, Statestore_Attempt=attempt
    ),
    "DELETE": lambda clients, scope, attempt: clients.send(
        "DELETE", key_path(scope, "a"), Statestore_Attempt=attempt
    ),
    "clear": lambda clients, scope, attempt: clients.send(
        "DELETE", task_path(scope), Statestore_Attempt=attempt
    ),
    "clear of all": lambda clients, scope, attempt: clients.send(
        "DELETE", task_path(scope) + "?all_map_indices=true", Statestore_Attempt=attempt
    ),
    "batch": _batch,
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_stale_attempt_changes_nothing_once_a_newer_one_has_started(
    clients: Clients, scope: TaskScope, write: Write
) -> None:
    """Both race: what the old attempt still managed to write was there before the new one started."""

    def state(where: TaskScope) -> Any:
        return clients.send("GET", task_path(where)).json()["task_state_store"]

    def stale_until_refused(where: TaskScope) -> None:
        for _ in range(2000):
            if write(clients, where, "1").status_code == 409:
                return
        raise AssertionError("it was never refused")

    for turn in range(6):
        where = TaskScope(scope.dag_id, scope.run_id, f"task-{turn}")
        clients.send("POST", task_path(where, "attempts"))
        clients.send("PUT", key_path(where, "a"), {"value": {"x": 1}})
        clients.send("PUT", key_path(where, "n"), {"value": 1})
        with ThreadPoolExecutor(2) as pool:
            late = [pool.submit(stale_until_refused, where) for _ in range(2)]
            started = clients.send("POST", task_path(where, "attempts"))
            found = state(where)
            assert started.json() == {"attempt": 2}
            for each in late:
                each.result()
        assert state(where) == found
        assert write(clients, where, "2").status_code in {200, 204, 404, 412}
