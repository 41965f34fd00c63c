"""How many requests are let in: of a token where a setting says so, of failed log-ins always."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from statestore.access import Right
from statestore.services import api_token_create
from tests.api.conftest import Api

PASSWORD = "only for this test"


@pytest.fixture(autouse=True)
def _limits(settings: Any, db: None) -> None:
    settings.STATESTORE_LOGIN_LIMIT = 3
    cache.clear()
    User.objects.create_superuser("ann", password=PASSWORD)


def test_a_token_has_so_many_requests_a_second(api: Api, settings: Any) -> None:
    settings.STATESTORE_RATE_LIMIT = 5
    answers = [api.collection("GET") for _ in range(12)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert answers[0].status_code == 200
    assert refused[0].json()["code"] == "throttled"
    assert refused[0]["Retry-After"] == "1"
    other = api_token_create(name="worker", rights=Right)[1]
    assert api.at(token=other).collection("GET").status_code == 200


def test_without_the_setting_there_is_no_limit(api: Api) -> None:
    assert {api.collection("GET").status_code for _ in range(30)} == {200}


def log_in(api: Api, password: str) -> Any:
    return api.at(token=None).send_json(
        "POST", "/api/v2/auth/token", {"username": "ann", "password": password}
    )


def log_in_on(path: str, password: str) -> Any:
    return Client().post(path, {"username": "ann", "password": password})


def test_who_fails_too_often_waits_everywhere(api: Api) -> None:
    assert log_in(api, "wrong").status_code == 401
    for path in ("/login/", "/admin/login/"):
        assert log_in_on(path, "wrong").status_code == 200
    refused = log_in(api, PASSWORD)
    assert (refused.status_code, refused.json()["code"]) == (429, "throttled")
    assert 1 <= int(refused["Retry-After"]) <= 60
    for path in ("/login/", "/admin/login/"):
        page = log_in_on(path, PASSWORD)
        assert page.status_code == 429
        assert 1 <= int(page["Retry-After"]) <= 61
        assert "Too many log-ins have failed" in page.content.decode()
        assert Client().get(path).status_code == 200


def test_log_ins_that_succeed_are_not_counted(api: Api) -> None:
    assert {log_in(api, PASSWORD).status_code for _ in range(10)} == {201}
    assert {log_in_on("/login/", PASSWORD).status_code for _ in range(10)} == {302}
