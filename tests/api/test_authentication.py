"""Who is let in: bearer tokens, and sessions with CSRF."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from statestore.access import Right
from statestore.protocol import TaskScope
from statestore.services import api_token_create, api_token_revoke
from tests.api.conftest import Api, task_path

REQUESTS = [
    ("GET", "state-store/key"),
    ("PUT", "state-store/key"),
    ("PATCH", "state-store/key"),
    ("DELETE", "state-store/key"),
    ("GET", "state-store"),
    ("DELETE", "state-store"),
    ("POST", "attempts"),
    ("GET", "nowhere"),
]
HEADERS = {
    "none": None,
    "empty": "",
    "another scheme": "Basic dXNlcjpwYXNz",
    "scheme alone": "Bearer",
    "no token": "Bearer  ",
    "unknown token": "Bearer sst_unknown",
    "not ASCII": "Bearer sst_é",
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize(("method", "rest"), REQUESTS)
def test_without_a_valid_token_every_verb_is_401(
    api: Api, method: str, rest: str, header: str | None
) -> None:
    api.put("key", 1)
    headers = {} if header is None else {"Authorization": header}
    response = api.at(token=None).send(
        method, task_path(api.scope, rest), b'{"value": 2}', **headers
    )
    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")
    assert response["Content-Type"] == "application/json"
    assert response.json()["code"] == "not_authenticated"
    assert api.value("key") == 1


def test_the_scheme_may_be_in_any_case(api: Api) -> None:
    for scheme in ("bearer", "BEARER"):
        response = api.at(token=None).collection("GET", Authorization=f"{scheme} {api.token}")
        assert response.status_code == 200


def test_an_expired_token_is_401(api: Api, token_of: Callable[..., str]) -> None:
    expired = token_of(*Right, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    assert api.at(token=expired).put("key", 1).status_code == 401
    lives = token_of(*Right, expires_at=datetime.now(UTC) + timedelta(days=1))
    assert api.at(token=lives).put("key", 1).status_code == 204


def test_a_revoked_token_is_401_at_once_in_the_process_that_revoked_it(api: Api) -> None:
    token, secret = api_token_create(name="leaked", rights=Right)
    leaked = api.at(token=secret)
    assert leaked.put("key", 1).status_code == 204
    assert api_token_revoke(token_id=token.pk)
    assert leaked.put("key", 2).status_code == 401
    assert api.value("key") == 1


def test_a_refusal_comes_before_anything_about_the_body(api: Api) -> None:
    response = api.at(token=None).put_text("key", "no json", content_type="text/plain")
    assert response.status_code == 401


# --- browsers ---


@pytest.fixture
def browser(db: None, django_user_model: Any) -> Client:
    """Someone who has logged in, and may view and write."""
    user = django_user_model.objects.create_user("ann", password="pass")
    user.user_permissions.set(
        Permission.objects.filter(codename__in=["view_entry", "change_entry"])
    )
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    return client


def test_a_session_may_read(browser: Client, scope: TaskScope) -> None:
    assert browser.get(task_path(scope)).status_code == 200


def test_a_session_without_the_csrf_token_may_not_write(browser: Client, scope: TaskScope) -> None:
    response = browser.put(
        task_path(scope, "state-store/key"), '{"value": 1}', content_type="application/json"
    )
    assert (response.status_code, response.json()["code"]) == (403, "forbidden")
    assert "CSRF" in response.json()["detail"]
    assert browser.get(task_path(scope)).json()["total_entries"] == 0


def test_a_session_with_the_csrf_token_may_write(browser: Client, scope: TaskScope) -> None:
    secret = "a" * 32
    browser.cookies["csrftoken"] = secret
    response = browser.put(
        task_path(scope, "state-store/key"),
        '{"value": 1}',
        content_type="application/json",
        headers={"X-CSRFToken": secret},
    )
    assert response.status_code == 204


def test_a_session_has_the_users_permissions_and_no_more(browser: Client, scope: TaskScope) -> None:
    browser.cookies["csrftoken"] = "a" * 32
    response = browser.delete(task_path(scope), headers={"X-CSRFToken": "a" * 32})
    assert (response.status_code, response.json()["code"]) == (403, "forbidden")


def test_a_bad_token_is_not_saved_by_a_session(browser: Client, scope: TaskScope) -> None:
    response = browser.get(task_path(scope), headers={"Authorization": "Bearer sst_unknown"})
    assert response.status_code == 401


def test_a_user_who_was_locked_out_is_401(
    browser: Client, scope: TaskScope, django_user_model: Any
) -> None:
    django_user_model.objects.update(is_active=False)
    assert browser.get(task_path(scope)).status_code == 401
