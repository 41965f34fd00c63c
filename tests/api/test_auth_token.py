"""POST /auth/token: users log in, and their token is them."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.cache import cache

from statestore.queries import forget_principals
from tests.api.conftest import Answer, Api, problem

PASSWORD = "only for this test"


@pytest.fixture
def user(db: None) -> User:
    cache.clear()
    user = User.objects.create_user("ann", password=PASSWORD)
    user.user_permissions.set(Permission.objects.filter(codename="view_entry"))
    return user


def log_in(api: Api, **members: Any) -> Answer:
    body = {"username": "ann", "password": PASSWORD, **members}
    return api.at(token=None).send_json("POST", "/api/v2/auth/token", body)


def test_a_users_token_has_the_users_rights(api: Api, user: User) -> None:
    api.put("key", 1)
    answer = log_in(api)
    assert answer.status_code == 201
    assert set(answer.json()) == {"access_token"}
    ann = api.at(token=answer.json()["access_token"])
    assert (ann.value("key"), ann.put("key", 2).status_code) == (1, 403)


@pytest.mark.parametrize("members", [{"password": "wrong"}, {"username": "bob"}, {"password": ""}])
def test_a_wrong_name_or_password_is_401(api: Api, user: User, members: dict[str, str]) -> None:
    answer = log_in(api, **members)
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    assert answer["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "members", [{"username": 1}, {"password": None}, {"more": 1}, {"username": "a\0b"}]
)
def test_what_is_no_log_in_is_422(api: Api, user: User, members: dict[str, Any]) -> None:
    problem(log_in(api, **members))


def test_a_new_password_ends_the_tokens_of_the_old_one(api: Api, user: User) -> None:
    ann = api.at(token=log_in(api).json()["access_token"])
    assert ann.collection("GET").status_code == 200
    user.set_password("another one")
    user.save(update_fields=["password"])
    forget_principals()
    assert ann.collection("GET").status_code == 401


def test_who_is_locked_out_is_401_with_and_without_a_token(api: Api, user: User) -> None:
    ann = api.at(token=log_in(api).json()["access_token"])
    User.objects.update(is_active=False)
    forget_principals()
    assert ann.collection("GET").status_code == 401
    assert log_in(api).status_code == 401


def test_a_user_who_is_deleted_is_401(api: Api, user: User) -> None:
    ann = api.at(token=log_in(api).json()["access_token"])
    user.delete()
    forget_principals()
    assert ann.collection("GET").status_code == 401


def test_a_changed_token_is_401(api: Api, user: User) -> None:
    token = log_in(api).json()["access_token"]
    assert token.startswith("stu_")
    for broken in (token[:-1], token[:8] + "x" + token[9:], token.replace("stu_", "stt_")):
        assert api.at(token=broken).collection("GET").status_code == 401
