"""A password in a name, id or uri is not drawn."""

import re

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils.html import strip_tags

from dashboard.passwords import without_passwords
from statestore import services
from statestore.protocol import AssetScope, TaskScope
from statestore.services import Writer
from tests.dashboard.data import id_of, put
from tests.storage import expire

URL = "postgres://app:swordfish@db/orders"
SCOPE = TaskScope(URL, URL, URL)
TITLES = re.compile(r' (?:title|aria-label)="([^"]*)"')


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        (URL, "postgres://app:***@db/orders"),
        ("redis://:p:w@h:1/0", "redis://:***@h:1/0"),
        ("GET /a%3A%2F%2Fapp%3Asword%2540%40db/x", "GET /a%3A%2F%2Fapp%3A***%40db/x"),
        ("s3://bucket/a:b@c", "s3://bucket/a:b@c"),
        ("https://host:8443/x", "https://host:8443/x"),
        ("run:2026@x", "run:2026@x"),
    ],
)
def test_the_password_of_a_url_is_left_out(text: str, drawn: str) -> None:
    assert without_passwords(text) == drawn


def assert_masked(html: str) -> None:
    drawn = [*strip_tags(html).split("\n"), *TITLES.findall(html)]
    assert "app:***@db" in strip_tags(html)
    assert [text for text in drawn if "swordfish" in text] == []


def test_no_page_draws_one(viewing: Client) -> None:
    put(URL, 1, SCOPE)
    put("progress", {"current": 1}, SCOPE)
    asset, _ = services.asset_register(name=URL, uri=URL)
    services.entry_set(
        scope=AssetScope(asset.id), key=URL, value="1", decoded=1, writer=Writer("token worker")
    )
    task, key = f"t/{id_of(SCOPE)}/", f"k/?key={URL}"
    of_asset = f"assets/{asset.id}/"
    run = f"runs/{id_of(SCOPE)}/"
    for path in ("", "runs/", run, task, task + key, "assets/", of_asset, of_asset + key):
        assert_masked(viewing.get(f"/{path}").content.decode())


def test_nor_do_the_lists_of_findings_and_of_the_audit_and_what_is_said(
    viewing: Client, viewer: User
) -> None:
    put(URL, {"password": "correct horse battery"}, SCOPE)
    services.scan_secrets()
    rights = ("change_apitoken", "delete_entry")
    viewer.user_permissions.add(*Permission.objects.filter(codename__in=rights))
    assert_masked(viewing.get("/secrets/").content.decode())
    found = {"kind": "task", "owner": id_of(SCOPE), "key": URL, "reason": f"no secret: {URL}"}
    said = viewing.post("/secrets/dismiss/", found, follow=True).content.decode()
    assert "is no secret, and shown again" in said
    assert_masked(said)
    assert_masked(viewing.get("/audit/").content.decode())


def test_nor_does_what_the_next_sweep_deletes(viewing: Client) -> None:
    put(URL, 1, SCOPE)
    expire(SCOPE, URL)
    assert_masked(viewing.get("/retention/?dry_run=1").content.decode())
