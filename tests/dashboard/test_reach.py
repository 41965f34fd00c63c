"""People whom groups limit to some dags: nothing of the others, whoever has looked before them."""

import json
from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from dashboard import watch
from statestore import services
from statestore.models import GroupReach
from statestore.protocol import AssetScope, TaskScope
from statestore.services import Writer
from tests.dashboard.data import id_of, put
from tests.storage import expire

HIDDEN = TaskScope("hr_pay", "run-1", "transfer")
OPEN = TaskScope("warehouse", "run-1", "load")

Person = Callable[..., Client]


@pytest.fixture
def person(db: None) -> Person:
    """Makes somebody who is in groups, each `(permissions, dags, assets)`, and logs them in."""

    def make(name: str, *groups: tuple[str, str, str]) -> Client:
        user = User.objects.create_user(name, is_staff=True)
        for number, (words, dags, assets) in enumerate(groups):
            group = Group.objects.create(name=f"{name}-{number}")
            found = Permission.objects.filter(codename__in=words.split())
            group.permissions.set(found)
            GroupReach.objects.create(group=group, dag_patterns=dags, asset_patterns=assets)
            user.groups.add(group)
        client = Client()
        client.force_login(user)
        return client

    return make


def test_a_dry_run_shows_what_may_be_viewed_whoever_asked_before(person: Person) -> None:
    for scope in (HIDDEN, OPEN):
        put("old", 1, scope)
        expire(scope, "old")
    clears = person("mixed", ("view_entry", "warehouse", ""), ("delete_entry", "hr_*", ""))
    views = person("views", ("view_entry", "warehouse", ""))
    for client in (clears, views):
        page = client.get("/retention/?dry_run=1").content.decode()
        assert "warehouse" in page
        assert "hr_pay" not in page


def test_a_dry_run_looks_among_what_may_be_viewed(person: Person) -> None:
    for number in range(60):
        put(f"old {number}", 1, HIDDEN)
        expire(HIDDEN, f"old {number}")
    put("old", 1, OPEN)
    expire(OPEN, "old")
    page = person("views", ("view_entry", "warehouse", "")).get("/retention/?dry_run=1")
    assert "warehouse" in page.content.decode()


ADMINISTERS = (
    "view_entry change_apitoken add_apitoken view_apitoken view_webhook add_webhook change_webhook"
    " delete_webhook view_webhookdelivery view_user change_user view_group change_group"
)


@pytest.mark.parametrize(
    "page",
    [
        "statestore/apitoken",
        "statestore/apitoken/add",
        "statestore/webhook",
        "statestore/webhook/add",
        "statestore/webhookdelivery",
        "auth/user",
        "auth/group",
    ],
)
def test_who_administers_some_dags_hands_out_nothing_that_reaches_all(
    person: Person, page: str
) -> None:
    path = f"/admin/{page}/"
    some = (ADMINISTERS, "warehouse", "*")
    assert person("some", some).get(path).status_code == 403
    assert person("sees all", some, ("view_entry", "*", "*")).get(path).status_code == 403
    assert person("all", (ADMINISTERS, "*", "*")).get(path).status_code == 200


def test_who_reaches_the_same_dags_sees_no_other_assets(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one of them has just been shown is still in memory."""
    monkeypatch.setattr(watch, "FRESH", 60)
    names = ("orders", "salaries")
    for name in names:
        services.asset_register(name=name, uri=f"s3://{name}")
    for name in names:
        page = person(f"sees {name}", ("view_entry", "*", name)).get("/fragments/assets/")
        assert [found for found in names if f"s3://{found}" in page.content.decode()] == [name]


def test_the_audit_hides_assets_that_are_out_of_reach(person: Person) -> None:
    for name in ("orders", "salaries"):
        asset = AssetScope(services.asset_register(name=name, uri=f"s3://{name}")[0].id)
        put("watermark", 1, asset)
        services.entries_clear(scope=asset, writer=Writer("user vera", reason=f"why {name}"))
    put("key", 1, OPEN)
    services.entries_clear(scope=OPEN, writer=Writer("user vera", reason="why load"))
    rights = "view_entry change_apitoken"
    page = person("orders", (rights, "*", "orders")).get("/audit/").content.decode()
    assert "why orders" in page
    assert "why load" in page
    assert "salaries" not in page
    assert "why salaries" in person("all", (rights, "*", "*")).get("/audit/").content.decode()


def test_the_dialog_names_the_jobs_of_a_task_with_many_keys(person: Person) -> None:
    for number in range(131):
        put(f"a{number:03}", number, OPEN)
    put("remote_job_id", json.dumps("job-7"), OPEN)
    page = person("clears", ("view_entry delete_entry", "*", "*")).get(f"/t/{id_of(OPEN)}/clear/")
    said = page.content.decode()
    assert "Clear all 132 keys?" in said
    assert "It loses remote_job_id: a retry may submit a second job." in said


def test_who_could_not_make_a_token_is_not_sent_to(person: Person) -> None:
    makes = "view_entry change_apitoken add_apitoken"
    for name, words, dags, offered in (
        ("makes", makes, "*", True),
        ("some", makes, "warehouse", False),
        ("administers", "view_entry change_apitoken", "*", False),
    ):
        client = person(name, (words, dags, "*"))
        for page in ("/", "/fragments/live/"):
            html = client.get(page).content.decode()
            assert "No task has written state yet" in html
            assert ("Create a token" in html) is offered, name
    client = person("no staff", (makes, "*", "*"))
    User.objects.update(is_staff=False)
    assert "Create a token" not in client.get("/").content.decode()
