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
        ("postgres://app%40srv:hunter2@db/x", "postgres://app%40srv:***@db/x"),
        ("u=postgres%3A%2F%2Fa%2540b%3Apw%40db%2Fx", "u=postgres%3A%2F%2Fa%2540b%3A***%40db%2Fx"),
        ("postgres%3A//app%3Apw%40db/x@y", "postgres%3A//app%3A***%40db/x@y"),
        ("postgres://app:a/b@db", "postgres://app:***@db"),
        ("postgres%3A%2F%2Fapp%3Aa%2Fb%40db", "postgres%3A%2F%2Fapp%3A***%40db"),
        ("postgres://app:a/b@db,redis://:p@h", "postgres://app:***@db,redis://:***@h"),
        ("https://h:80/x,redis://u:p/w@h", "https://h:80/x,redis://u:***@h"),
        ("amqp://a:b@x:1/v and amqp://c:d@y", "amqp://a:***@x:1/v and amqp://c:***@y"),
        ("postgres://app:pw@db/x@y", "postgres://app:***@db/x@y"),
        *(
            (same, same)
            for same in (
                "s3://bucket/a:b@c",
                "https://host:8443/x",
                "https://host:8443/x@y",
                "https%3A%2F%2Fhost%3A8443%2Fx%40y",
                "http://[::1]:80/x@y",
                "https://me@host/a:b",
                "run:2026@x",
                "postgres://app:@db",
                "a@b  c\n",
            )
        ),
    ],
)
def test_the_password_of_a_url_is_left_out(text: str, drawn: str) -> None:
    assert without_passwords(text) == drawn


@pytest.mark.parametrize(
    "part", ["://", "://a:", "://a:/", ":%2F%2F", "%3A%2F%2F", "%3A%2F%2Fa%3A", "://a:b/c@", "%40:"]
)
def test_a_long_text_is_looked_through_once(part: str) -> None:
    """Where each beginning of a URL were looked at to the text's end, this would take minutes."""
    text = f"@{part * 200_000}"
    assert len(without_passwords(text)) > len(text) / 2


def assert_masked(html: str) -> None:
    drawn = [*strip_tags(html).split("\n"), *TITLES.findall(html)]
    assert "app:***@db" in strip_tags(html)
    assert [text for text in drawn if "swordfish" in text] == []


def test_no_page_draws_one(viewing: Client) -> None:
    put("progress", {"current": 1}, SCOPE)
    asset, _ = services.asset_register(name=URL, uri=URL)
    for scope in (SCOPE, AssetScope(asset.id)):
        for version in (1, 2):
            services.entry_set(
                scope=scope, key=URL, value=str(version), decoded=version,
                writer=Writer(f"task {URL} / {URL} / {URL}"),
            )  # fmt: skip
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
    (listed,) = viewing.get("/secrets/").context["page"].findings
    found = {"kind": "task", "owner": id_of(SCOPE), "key": URL, "reason": f"no secret: {URL}"}
    found |= {"version": listed.version, "seen": listed.seen}
    said = viewing.post("/secrets/dismiss/", found, follow=True).content.decode()
    assert "is no secret, and shown again" in said
    assert_masked(said)
    assert_masked(viewing.get("/audit/").content.decode())


def test_nor_do_the_rarer_parts_of_pages(viewing: Client, viewer: User) -> None:
    for index in range(3):
        put("progress", {"current": 1, "status": "done"}, SCOPE.at(index))
    put(URL, 1, SCOPE.at(1))
    run, key = id_of(SCOPE.at(0)), f"clear-key/?key={URL}"
    viewer.user_permissions.add(Permission.objects.get(codename="delete_entry"))
    for path, part in {
        f"/runs/{run}/": 'class="strip"',
        f"/t/{id_of(SCOPE.at(1))}/{key}": "It loses postgres",
        "/?state=running": "The last write was",
        "/?q=dag:pastgres:": "Did you mean",
    }.items():
        html = viewing.get(path).content.decode()
        assert part in html
        assert_masked(html)


def test_nor_does_the_audit_of_what_a_task_did(viewing: Client, viewer: User) -> None:
    put("k", 1, SCOPE)
    services.entries_clear(scope=SCOPE, writer=Writer(f"task {SCOPE}"))
    viewer.user_permissions.add(Permission.objects.get(codename="change_apitoken"))
    assert_masked(viewing.get("/audit/").content.decode())


def test_nor_does_what_the_next_sweep_deletes(viewing: Client) -> None:
    put(URL, 1, SCOPE)
    expire(SCOPE, URL)
    assert_masked(viewing.get("/retention/?dry_run=1").content.decode())
