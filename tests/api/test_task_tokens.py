"""POST /task-tokens, and what such a token may do."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User

from statestore.access import Right
from statestore.models import GroupReach
from statestore.protocol import TaskScope
from statestore.queries import (
    forget_principals,
    principal_of_token,
    principal_of_user,
    sign_task_token,
)
from statestore.services import api_token_create, api_token_revoke
from tests.api.conftest import Answer, Api, problem


def mint(api: Api, **members: Any) -> Answer:
    scope = api.scope
    ids = {
        "dag_id": scope.dag_id, "run_id": scope.run_id, "task_id": scope.task_id,
        "map_index": scope.map_index,
    }  # fmt: skip
    return api.send_json("POST", "/api/v2/task-tokens", {**ids, **members})


def with_task_token(api: Api, **members: Any) -> Api:
    answer = mint(api, **members)
    assert answer.status_code == 201, answer.content
    return api.at(token=answer.json()["token"])


def test_it_reaches_one_task_instance(api: Api) -> None:
    task = with_task_token(api)
    assert task.put("key", 1).status_code == 204
    assert task.value("key") == 1
    assert task.start_attempt() == 1
    for name, map_index in ((api.scope.task_id, 0), ("other", -1)):
        other = task.at(scope=TaskScope(api.scope.dag_id, api.scope.run_id, name))
        assert other.put("key", 1, map_index=map_index).status_code == 403
        assert other.get("key", map_index=map_index).status_code == 404
        assert other.keys(map_index) == []
    found = task.send("GET", "/api/v2/task-instances").json()["task_instances"]
    assert [row["task_id"] for row in found] == [api.scope.task_id]


def test_it_does_not_clear_other_map_indices(api: Api) -> None:
    api.put("key", 1)
    api.put("key", 1, map_index=3)
    refused = with_task_token(api).collection("DELETE", "?all_map_indices=true")
    assert refused.status_code == 403
    assert (api.keys(), api.keys(3)) == (["key"], ["key"])
    assert with_task_token(api).collection("DELETE").status_code == 204
    assert (api.keys(), api.keys(3)) == ([], ["key"])


@pytest.mark.parametrize("ttl", [0, -1, 30 * 86400 + 1, 1.5, "60", True])
def test_its_time_has_bounds(api: Api, ttl: Any) -> None:
    assert problem(mint(api, ttl=ttl))["loc"] == ["body", "ttl"]


@pytest.mark.parametrize(
    ("members", "ttl"), [({}, 3600), ({"ttl": 1}, 1), ({"ttl": 30 * 86400}, 30 * 86400)]
)
def test_it_tells_when_it_ends(api: Api, members: dict[str, int], ttl: int) -> None:
    ends = datetime.fromisoformat(mint(api, **members).json()["expires_at"]) - datetime.now(UTC)
    assert timedelta(seconds=ttl - 20) < ends <= timedelta(seconds=ttl)


def test_when_it_has_ended_it_is_401(api: Api) -> None:
    maker = principal_of_user(User.objects.create_superuser("ann"))
    over = sign_task_token(api.scope, datetime.now(UTC) - timedelta(seconds=1), maker=maker)
    answer = api.at(token=over).get("key")
    assert (answer.status_code, "expired" in answer.json()["detail"]) == (401, True)


@pytest.mark.parametrize("place", [4, 10, 40, -30, -2])
def test_a_changed_one_is_401(api: Api, place: int) -> None:
    token = str(with_task_token(api).token)
    assert token.startswith("stt_")
    changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place:][1:]
    for broken in (changed, token[:-1], token + "x", token.replace("stt_", "stu_")):
        assert api.at(token=broken).get("key").status_code == 401


def test_nobody_makes_one_that_may_more_than_themselves(
    api: Api, token_of: Callable[..., str]
) -> None:
    for rights in ([Right.VIEW, Right.WRITE], [Right.VIEW, Right.CLEAR], [Right.ADMINISTER]):
        assert mint(api.at(token=token_of(*rights))).status_code == 403
    assert mint(api.at(token=token_of(*Right, dags="hr"))).status_code == 403
    task = with_task_token(api)
    assert mint(task, task_id="other").status_code == 403
    assert mint(task, map_index=0).status_code == 403


def test_it_never_outlives_what_made_it(api: Api, token_of: Callable[..., str]) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=90)
    brief = api.at(token=token_of(*Right, expires_at=soon))
    made = mint(brief, ttl=86400).json()
    assert datetime.fromisoformat(made["expires_at"]) <= soon
    again = mint(api.at(token=made["token"]), ttl=86400).json()
    assert datetime.fromisoformat(again["expires_at"]) <= soon


def test_revoking_its_maker_ends_it(api: Api) -> None:
    token, secret = api_token_create(name="scheduler", rights=Right)
    task = with_task_token(api.at(token=secret))
    second = with_task_token(task)
    assert task.put("key", 1).status_code == 204
    api_token_revoke(token_id=token.pk)
    assert task.put("key", 2).status_code == 401
    assert second.put("key", 2).status_code == 401
    assert api.value("key") == 1


def test_it_reaches_the_assets_of_its_maker(api: Api, token_of: Callable[..., str]) -> None:
    ours, theirs = f"ours-{api.scope.run_id}", f"theirs-{api.scope.run_id}"
    ids = {
        name: api.send_json("POST", "/api/v2/assets", {"name": name}).json()["id"]
        for name in (ours, theirs)
    }
    task = with_task_token(api.at(token=token_of(*Right, asset_patterns="ours-*")))
    path = "/api/v2/assets/{}/state-store/key"
    assert task.send_json("PUT", path.format(ids[ours]), {"value": 1}).status_code == 204
    assert task.send_json("PUT", path.format(ids[theirs]), {"value": 1}).status_code == 404
    assert task.send_json("POST", "/api/v2/assets", {"name": f"{ours}2"}).status_code == 201
    assert task.send_json("POST", "/api/v2/assets", {"name": f"{theirs}2"}).status_code == 403


@pytest.fixture
def assets(api: Api) -> dict[str, int]:
    """Three assets of this test alone, by the first letter of their names."""
    names = {letter: f"{letter}-{api.scope.run_id}" for letter in "abc"}
    path = "/api/v2/assets"
    return {
        letter: api.send_json("POST", path, {"name": name}).json()["id"]
        for letter, name in names.items()
    }


def seen_assets(api: Api, assets: dict[str, int]) -> str:
    """The letters of those that it may write to; one that it may not is nowhere to be seen."""
    pattern = f"name_pattern={api.scope.run_id}"
    found = api.send("GET", f"/api/v2/assets?{pattern}").json()["assets"]
    listed = {row["id"] for row in found}
    for number in assets.values():
        path = f"/api/v2/assets/{number}"
        write = {"op": "set", "asset_id": number, "key": "key", "value": 1}
        statuses = [
            api.send("GET", path).status_code,
            api.send("GET", f"{path}/state-store").status_code,
            api.send_json("PUT", f"{path}/state-store/key", {"value": 1}).status_code,
            api.send_json("POST", "/api/v2/state-store/batch", {"operations": [write]}).status_code,
            api.send("DELETE", f"{path}/state-store").status_code,
        ]
        assert statuses == ([200, 200, 204, 200, 204] if number in listed else [404] * 5)
    return "".join(letter for letter, number in assets.items() if number in listed)


def test_it_reaches_the_assets_that_it_names(
    api: Api, assets: dict[str, int], token_of: Callable[..., str]
) -> None:
    a, b, c = (f"{letter}-{api.scope.run_id}" for letter in "abc")
    assert seen_assets(with_task_token(api), assets) == "abc"
    assert seen_assets(with_task_token(api, assets=[]), assets) == ""
    task = with_task_token(api, assets=[a, b])
    assert seen_assets(task, assets) == "ab"
    assert task.send_json("POST", "/api/v2/assets", {"name": c}).status_code == 403
    # what it makes reaches no more than itself
    assert seen_assets(with_task_token(task), assets) == "ab"
    assert seen_assets(with_task_token(task, assets=[b, c]), assets) == "b"
    assert seen_assets(with_task_token(task, assets=["*"]), assets) == ""
    limited = api.at(token=token_of(*Right, asset_patterns="a-*,c-*"))
    assert seen_assets(with_task_token(limited, assets=[a, b]), assets) == "a"


@pytest.mark.parametrize(
    ("names", "place"),
    [("a", []), (None, []), (["a"] * 21, []), (["a", 1], [1]), ([""], [0]), (["a\nb"], [0])],
)
def test_names_of_assets_that_are_none_are_422(api: Api, names: Any, place: list[int]) -> None:
    assert problem(mint(api, assets=names))["loc"] == ["body", "assets", *place]


def test_it_ends_at_the_moment_that_was_told(api: Api) -> None:
    made = mint(api, ttl=600).json()
    assert principal_of_token(made["token"]).expires_at == datetime.fromisoformat(
        made["expires_at"]
    )


def test_one_that_a_user_made_ends_with_the_users_rights(api: Api) -> None:
    user = User.objects.create_user("ann")
    codenames = ["view_entry", "change_entry", "delete_entry"]
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    maker = principal_of_user(user)
    token = sign_task_token(api.scope, datetime.now(UTC) + timedelta(hours=1), maker=maker)
    task = api.at(token=token)
    assert task.put("key", 1).status_code == 204
    user.user_permissions.remove(Permission.objects.get(codename="change_entry"))
    forget_principals()
    assert (task.put("key", 2).status_code, task.value("key")) == (403, 1)
    User.objects.update(is_active=False)
    forget_principals()
    assert task.get("key").status_code == 401


def test_one_that_a_user_made_ends_with_the_users_reach(api: Api) -> None:
    user = User.objects.create_user("ann")
    for patterns in ("hr_*", f"{api.scope.dag_id}*"):
        group = Group.objects.create(name=patterns)
        codenames = ["view_entry", "change_entry", "delete_entry"]
        group.permissions.set(Permission.objects.filter(codename__in=codenames))
        GroupReach.objects.create(group=group, dag_patterns=patterns)
        user.groups.add(group)
    maker = principal_of_user(user)
    token = sign_task_token(api.scope, datetime.now(UTC) + timedelta(hours=1), maker=maker)
    task = api.at(token=token)
    assert task.put("key", 1).status_code == 204
    user.groups.remove(group)
    forget_principals()
    assert (task.put("key", 2).status_code, task.get("key").status_code) == (403, 404)
