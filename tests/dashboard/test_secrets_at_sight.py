"""What looks like a secret is on no page, also before a scan has come to it."""

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from dashboard.watch import watcher
from statestore import services
from statestore.models import Entry, SecretFinding
from statestore.protocol import AssetScope
from statestore.services import Writer
from tests.dashboard.data import SCOPE, id_of, put
from tests.storage import dismiss

AWS = "AKIA" + "Q3EXAMPLE7KEYA12"
SECRETS = {
    "named": ("password", "correct horse battery"),
    "AWS key": ("creds_of_job", AWS),
    "URL": ("target", "postgresql://app:s3cretpw@db.internal/app"),
    "private key": ("id", "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA1234567890\n" * 9),
    "in an object": ("config", {"a": [1, {"target": "redis://:swordfish1@h:1/0"}]}),
    "in progress": ("progress", {"current": 1, "unit": "rows", "message": AWS}),
    "as progress": ("progress", AWS),
}
PARTS = ("correct horse", "AKIA", "postgresql:", "BEGIN RSA", "redis:")


@pytest.fixture
def staff(viewing: Client, viewer: User) -> Client:
    """Somebody who may look at everything, in the admin site too."""
    rights = ["change_apitoken", "change_entry", "delete_entry"]
    viewer.user_permissions.add(*Permission.objects.filter(codename__in=rights))
    User.objects.filter(pk=viewer.pk).update(is_staff=True)
    return viewing


def shown(client: Client, path: str) -> str:
    """The page, which nobody has looked at before."""
    watcher.forget()
    return client.get(path).content.decode()


def task_pages(key: str) -> list[str]:
    task, entry = f"/t/{id_of()}/", Entry.objects.get(key=key)
    ways = ("", "&as=raw", "&as=tree")
    return [
        "/", "/?q=dag:sales", "/fragments/live/", f"/runs/{id_of()}/", task, f"/fragments{task}",
        *(f"{task}k/?key={key}{way}" for way in ways), f"{task}k/download/?key={key}",
        "/admin/statestore/entry/", f"/admin/statestore/entry/{entry.pk}/change/",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", SECRETS)
def test_no_page_of_a_task_shows_it(staff: Client, kind: str) -> None:
    key, value = SECRETS[kind]
    put(key, value)
    for path in task_pages(key):
        html = shown(staff, path)
        assert not [part for part in PARTS if part in html], path
    assert "hidden: possible secret" in shown(staff, f"/admin/statestore/entry/?q={key}")
    assert "Hidden: looks like a secret" in shown(staff, f"/t/{id_of()}/")
    assert not SecretFinding.objects.exists()


@pytest.mark.parametrize("key", ["config", "watermark"])
def test_no_page_of_an_asset_shows_it(staff: Client, key: str) -> None:
    asset, _ = services.asset_register(name="orders", uri="s3://orders")
    put(key, AWS, AssetScope(asset.id))
    page = f"/assets/{asset.id}/"
    for path in ("/assets/", page, f"{page}k/?key={key}"):
        html = shown(staff, path)
        assert "AKIA" not in html
        assert "hidden: possible secret" in html
    assert staff.get(f"{page}k/download/?key={key}").status_code == 403


def test_an_old_version_shows_it_as_little(staff: Client) -> None:
    put("page", AWS)
    put("page", 2)
    for path in (f"/t/{id_of()}/", f"/t/{id_of()}/k/?key=page"):
        assert "AKIA" not in shown(staff, path)


def test_the_beginning_of_a_value_that_was_not_read_to_its_end_is_in_no_list(
    staff: Client,
) -> None:
    put("text", f"{AWS} {'v' * 300}")
    put("text", "w" * 300)
    assert "wwww" not in shown(staff, "/")
    page = shown(staff, f"/t/{id_of()}/")
    assert "a long value → &quot;www" in page
    assert "AKIA" not in page


def test_what_is_no_secret_is_shown_and_costs_no_query(staff: Client) -> None:
    put("page", 17)
    put("job_id", "application_42")
    html = shown(staff, "/")
    assert "application_42" in html
    assert "<b>17</b>" in html
    for path, asked in (("/", False), (f"/t/{id_of()}/", False), ("/", True)):
        if asked:
            put("note", AWS)
        with CaptureQueriesContext(connection) as queries:
            shown(staff, path)
        assert any('dismissed_at" IS NOT NULL' in query["sql"] for query in queries) is asked


@pytest.mark.parametrize("page", ["/", "task", "key", "/admin/statestore/entry/"])
def test_what_was_said_to_be_no_secret_is_shown_again(staff: Client, page: str) -> None:
    put("note", AWS)
    services.scan_secrets()
    task = f"/t/{id_of()}/"
    path = {"task": task, "key": f"{task}k/?key=note"}.get(page, page)
    assert "AKIA" not in shown(staff, path)
    dismiss(SCOPE, "note", writer=Writer("user vera"))
    assert "AKIA" in shown(staff, path)


def test_another_secret_is_hidden_in_what_was_said_to_be_none(staff: Client) -> None:
    put("note", {"a": AWS})
    services.scan_secrets()
    dismiss(SCOPE, "note", writer=Writer("user vera"))
    page = f"/t/{id_of()}/k/?key=note"
    put("note", {"a": AWS, "b": AWS})
    assert "AKIA" not in shown(staff, page)


def test_a_key_that_is_made_anew_is_another_one(staff: Client) -> None:
    put("note", AWS)
    services.scan_secrets()
    dismiss(SCOPE, "note", writer=Writer("user vera"))
    services.entry_delete(scope=SCOPE, key="note", writer=Writer("user vera"))
    put("note", AWS)
    assert "AKIA" not in shown(staff, "/")


def test_it_is_revealed_before_a_scan_too(staff: Client) -> None:
    put("note", AWS)
    assert "data-reveal" in shown(staff, f"/t/{id_of()}/k/?key=note")
    form = {"kind": "task", "owner": id_of(), "key": "note"}
    assert AWS in staff.post("/secrets/reveal/", form).content.decode()
