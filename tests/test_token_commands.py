"""The commands that create, list and revoke API tokens."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from statestore.access import Grant, Right
from statestore.errors import NotAuthenticatedError
from statestore.models import ApiToken
from statestore.queries import principal_of_token

pytestmark = pytest.mark.django_db


def run(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def test_a_token_gets_what_the_options_say() -> None:
    options = [
        "--rights",
        "view,clear",
        "--dags",
        "sales_*,hr",
        "--assets",
        "s3*",
        "--owner",
        "ann",
    ]
    secret = run("create_api_token", "reader", *options, "--days", "2").strip()
    principal = principal_of_token(secret)
    rights = frozenset({Right.VIEW, Right.CLEAR})
    assert principal.grants == (Grant(rights, ("sales_*", "hr"), ("s3*",)),)
    assert principal.expires_at is not None
    assert timedelta(days=1) < principal.expires_at - datetime.now(UTC) <= timedelta(days=2)
    assert ApiToken.objects.get().owner == "ann"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["x", "--rights", "fly"], "--rights takes some of view"),
        (["x", "--rights", ""], "--rights takes some of view"),
        (["x", "--days", "0"], "--days must be between 1 and 36500"),
        (["x", "--days", "99999999"], "--days must be between 1 and 36500"),
        ([""], "name: This field cannot be blank"),
        (["x" * 101], "name: Ensure this value has at most 100 characters"),
        (["x", "--owner", "x" * 151], "owner: Ensure this value has at most 150 characters"),
    ],
)
def test_words_that_make_no_sense_are_refused(words: list[str], told: str) -> None:
    with pytest.raises(CommandError, match=told):
        run("create_api_token", *words)
    assert not ApiToken.objects.exists()


def test_a_token_for_assets_alone_reaches_no_dag() -> None:
    secret = run("create_api_token", "watermarks", "--dags", "").strip()
    (grant,) = principal_of_token(secret).grants
    assert (grant.dag_patterns, grant.asset_patterns) == ((), ("*",))


def test_the_list_shows_everything_but_the_secret() -> None:
    secret = run("create_api_token", "airflow", "--owner", "ann", "--dags", "sales_*").strip()
    run("create_api_token", "gone")
    run("revoke_api_token", str(ApiToken.objects.get(name="gone").pk))
    ApiToken.objects.filter(name="airflow").update(
        last_used_at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    )
    listed = run("list_api_tokens")
    header, airflow, gone = listed.splitlines()
    assert header.split()[:3] == ["ID", "PREFIX", "NAME"]
    for word in (
        secret[:8],
        "airflow",
        "ann",
        "valid",
        "view",
        "sales_*",
        "2026-01-02 03:04",
        "never",
    ):
        assert word in airflow
    assert "revoked" in gone
    assert secret not in listed
    assert "gone" not in run("list_api_tokens", "--valid")


@pytest.mark.parametrize("by", ["id", "prefix", "secret"])
def test_a_token_is_revoked_by_its_id_or_its_first_characters(by: str) -> None:
    secret = run("create_api_token", "airflow").strip()
    pk = ApiToken.objects.get().pk
    word = {"id": str(pk), "prefix": secret[:8], "secret": secret}[by]
    assert run("revoke_api_token", word) == f"Revoked token {pk} (airflow, {secret[:8]}…).\n"
    with pytest.raises(NotAuthenticatedError, match="revoked"):
        principal_of_token(secret)
    with pytest.raises(CommandError, match="was revoked before"):
        run("revoke_api_token", word)


@pytest.mark.parametrize("word", ["0", "sst_none", "", "9" * 30, "é"])
def test_a_token_that_is_not_there_is_not_revoked(word: str) -> None:
    run("create_api_token", "airflow")
    with pytest.raises(CommandError, match="no such token"):
        run("revoke_api_token", word)
    assert not ApiToken.objects.exclude(revoked_at=None).exists()


def test_of_two_that_begin_alike_none_is_revoked() -> None:
    for _ in range(2):
        run("create_api_token", "twin")
    ApiToken.objects.update(prefix="sst_same")
    with pytest.raises(CommandError, match="say which by its ID"):
        run("revoke_api_token", "sst_same")
    assert not ApiToken.objects.exclude(revoked_at=None).exists()
