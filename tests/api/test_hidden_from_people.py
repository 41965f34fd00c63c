"""What looks like a secret is hidden from people over the API too, and from no task."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from statestore import services
from statestore.protocol import AssetScope, TaskScope
from statestore.services import Writer
from tests.api.conftest import Api, task_path
from tests.dashboard.data import put
from tests.storage import dismiss

SECRET = "correct horse battery"
HIDDEN = "hidden: possible secret"


@pytest.fixture
def person(db: None) -> Client:
    """Somebody who may view, write and administer, in a browser."""
    user = User.objects.create_user("vera", password="vera-likes-long-ones")
    names = ["view_entry", "change_entry", "change_apitoken"]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture(params=["at sight", "scanned"])
def stored(request: Any, api: Api) -> Api:
    """A task instance with a secret and without."""
    api.put("config", {"password": SECRET})
    api.put("page", 1)
    api.put("progress", {"current": 1, "password": SECRET})
    if request.param == "scanned":
        services.scan_secrets()
    return api


def key_path(scope: TaskScope, key: str = "config") -> str:
    return task_path(scope, f"state-store/{key}")


def test_a_key_is_refused_to_a_person_and_read_by_a_token(stored: Api, person: Client) -> None:
    for query in ("", "?wait=1&newer_than=0"):
        answer = person.get(key_path(stored.scope) + query)
        assert (answer.status_code, answer.json()["code"]) == (403, "hidden")
        assert SECRET not in answer.content.decode()
    assert person.get(key_path(stored.scope, "page")).json()["value"] == 1
    assert stored.value("config") == {"password": SECRET}


def test_so_it_is_to_the_token_of_a_person(stored: Api, person: Client) -> None:
    cache.clear()  # of the log-ins that other tests have made from this address
    login = {"username": "vera", "password": "vera-likes-long-ones"}
    token = stored.send_json("POST", "/api/v2/auth/token", login).json()["access_token"]
    assert stored.at(token=token).get("config").json()["code"] == "hidden"


def test_a_list_has_all_the_others(stored: Api, person: Client) -> None:
    rows = person.get(task_path(stored.scope)).json()["task_state_store"]
    assert {row["key"]: row["value"] for row in rows} == {
        "config": HIDDEN, "page": 1, "progress": HIDDEN,
    }  # fmt: skip
    assert SECRET in stored.collection("GET").content.decode()


def test_a_batch_has_all_the_others(stored: Api, person: Client) -> None:
    scope = stored.scope
    ids = {"dag_id": scope.dag_id, "run_id": scope.run_id, "task_id": scope.task_id}
    asset, _ = services.asset_register(name="orders", uri="s3://orders")
    put("token", SECRET, AssetScope(asset.id))
    gets: list[Any] = [{"op": "get", **ids, "key": key} for key in ("config", "page", "nothing")]
    gets += [{"op": "get", "asset_id": asset.id, "key": "token"}]
    body = {"operations": [*gets, {"op": "set", **ids, "key": "page", "value": 2}]}
    answer = person.post("/api/v2/state-store/batch", body, content_type="application/json")
    entries = [result.get("entry") for result in answer.json()["results"]]
    assert [entry and entry["value"] for entry in entries] == [HIDDEN, 1, None, HIDDEN, None]
    told = stored.send_json("POST", "/api/v2/state-store/batch", body).content.decode()
    assert told.count(SECRET) == 2


def test_the_search_hides_progress(stored: Api, person: Client) -> None:
    (row,) = person.get("/api/v2/task-instances").json()["task_instances"]
    assert row["progress"] == HIDDEN
    (row,) = stored.send("GET", "/api/v2/task-instances").json()["task_instances"]
    assert row["progress"]["password"] == SECRET


def test_an_asset_hides_it_too(api: Api, person: Client) -> None:
    asset, _ = services.asset_register(name="orders", uri="s3://orders")
    put("token", SECRET, AssetScope(asset.id))
    path = f"/api/v2/assets/{asset.id}/state-store"
    assert person.get(f"{path}/token").json()["code"] == "hidden"
    assert person.get(path).json()["asset_state_store"][0]["value"] == HIDDEN


def test_changing_a_part_tells_nothing_of_the_rest(stored: Api, person: Client) -> None:
    patch: Any = {"content_type": "application/merge-patch+json"}
    answer = person.patch(key_path(stored.scope), {}, **patch)
    assert (answer.status_code, answer.json()) == (200, {"value": HIDDEN})
    assert person.patch(key_path(stored.scope), {"password": None}, **patch).status_code == 200
    stored.put("password", 12345)
    path = f"{key_path(stored.scope, 'password')}/increment"
    answer = person.post(path, {"by": 1}, content_type="application/json")
    assert answer.json() == {"value": HIDDEN}


def test_an_old_version_hides_the_new_one_and_a_false_alarm_nothing(
    api: Api, person: Client
) -> None:
    api.put("config", {"password": SECRET})
    api.put("config", {"user": "app"})
    services.scan_secrets()
    assert person.get(key_path(api.scope)).json()["code"] == "hidden"
    dismiss(api.scope, "config", writer=Writer("user vera"))
    assert person.get(key_path(api.scope)).json()["value"] == {"user": "app"}


def test_a_token_pays_nothing_for_it(
    stored: Api, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    stored.get("page")  # the token is known from now on
    with django_assert_num_queries(1):
        stored.get("config")
