"""API tokens in the admin site: shown once, revoked, never edited."""

import re

import pytest
from django.test import Client

from statestore.access import Grant, Right
from statestore.errors import NotAuthenticatedError
from statestore.models import ApiToken
from statestore.queries import principal_of_token
from tests.admin.conftest import ClientOf

LIST = "/admin/statestore/apitoken/"
FORM = {
    "name": "airflow-prod",
    "rights": ["view", "write"],
    "dag_patterns": "sales_*",
    "asset_patterns": "s3*, gs*",
}


@pytest.fixture
def administering(staff: ClientOf) -> Client:
    return staff("view_apitoken", "add_apitoken", "change_apitoken")


def secret_of(html: str) -> str:
    found = re.search(r'<pre class="secret"[^>]*>(sst_[\w-]+)</pre>', html)
    assert found is not None
    return found[1]


def test_the_secret_is_shown_once_and_works(administering: Client) -> None:
    answer = administering.post(f"{LIST}add/", FORM)
    secret = secret_of(answer.content.decode())
    assert "no-store" in answer["Cache-Control"]
    principal = principal_of_token(secret)
    assert principal.name == "token airflow-prod"
    assert principal.grants == (
        Grant(frozenset({Right.VIEW, Right.WRITE}), ("sales_*",), ("s3*", "gs*")),
    )
    token = ApiToken.objects.get()
    assert (token.owner, token.prefix) == ("sam", secret[:8])
    for path in (LIST, f"{LIST}{token.pk}/change/"):
        assert secret not in administering.get(path).content.decode()


def test_the_list_tells_when_a_token_was_last_used(administering: Client) -> None:
    secret = secret_of(administering.post(f"{LIST}add/", FORM).content.decode())
    assert ApiToken.objects.get().last_used_at is None
    principal_of_token(secret)
    used = ApiToken.objects.get().last_used_at
    assert used is not None
    assert f"{used:%Y}" in administering.get(LIST).content.decode()


def test_a_token_needs_rights(administering: Client) -> None:
    answer = administering.post(f"{LIST}add/", {**FORM, "rights": []})
    assert "This field is required" in answer.content.decode()
    assert not ApiToken.objects.exists()


def test_a_revoked_token_is_refused(administering: Client) -> None:
    secret = secret_of(administering.post(f"{LIST}add/", FORM).content.decode())
    form = {"action": "revoke", "_selected_action": [ApiToken.objects.get().pk]}
    assert "Revoked 1 token" in administering.post(LIST, form, follow=True).content.decode()
    with pytest.raises(NotAuthenticatedError):
        principal_of_token(secret)


def test_a_token_cannot_be_edited_or_deleted(administering: Client) -> None:
    administering.post(f"{LIST}add/", FORM)
    pk = ApiToken.objects.get().pk
    assert administering.post(f"{LIST}{pk}/change/", FORM).status_code == 403
    assert administering.post(f"{LIST}{pk}/delete/").status_code == 403


def test_without_the_right_no_token_is_created(staff: ClientOf) -> None:
    client = staff("view_apitoken")
    assert client.post(f"{LIST}add/", FORM).status_code == 403
