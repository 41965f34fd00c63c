"""The Secrets page, the pill, and values that no page shows any longer."""

import json
import re
from html import unescape

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from dashboard.watch import watcher
from statestore import services
from statestore.models import AuditEntry, Entry, GroupReach, SecretFinding
from statestore.protocol import AssetScope, TaskScope
from statestore.queries import Asset
from statestore.services import Writer
from tests.dashboard.data import EVIL, SCOPE, id_of, put

SECRET = "correct horse battery"
PAGES = (
    "/",
    "/runs/",
    "/assets/",
    "/retention/",
    f"/?q=dag:{SCOPE.dag_id}",
    "/secrets/",
    "/audit/",
)


@pytest.fixture
def _found(db: None) -> None:
    put("progress", {"current": 1, "total": 2, "message": "x", "password": SECRET})
    put("config", {"password": SECRET})
    put("config", {"password": SECRET + "2"})
    services.scan_secrets()


def may(user: User, *codenames: str) -> None:
    user.user_permissions.add(*Permission.objects.filter(codename__in=codenames))


def form(key: str = "config") -> dict[str, object]:
    return {"kind": "task", "owner": id_of(), "key": key, "reason": "on call"}


def seen(viewing: Client, key: str = "config") -> dict[str, object]:
    """What the form of a key that is listed now sends."""
    (found,) = (one for one in viewing.get("/secrets/").context["page"].findings if one.key == key)
    return {**form(key), "version": found.version, "seen": found.seen}


def links(viewing: Client, end: str) -> list[str]:
    """Where the links of the list lead that are of the key config, and end so."""
    html = viewing.get("/secrets/").content.decode()
    found = [unescape(link) for link in re.findall(r'href="([^"]+)"', html)]
    return [link for link in found if link.endswith(f"key=config&{end}")]


@pytest.mark.usefixtures("_found")
def test_no_page_holds_the_value_and_each_has_the_pill(viewing: Client, viewer: User) -> None:
    may(viewer, "change_apitoken", "change_entry", "delete_entry")
    task = f"/t/{id_of()}/"
    key = f"{task}k/?key=config"
    for page in (*PAGES, task, f"/runs/{id_of()}/", key, f"{task}k/?key=progress"):
        html = viewing.get(page).content.decode()
        assert SECRET not in html, page
        assert "Possible secret in 2 keys" in html
    for fragment in ("/fragments/live/", f"/fragments{task}", f"{task}k/download/?key=config"):
        assert SECRET not in viewing.get(fragment).content.decode()
    assert "hidden: possible secret" in viewing.get(task).content.decode()


@pytest.mark.usefixtures("_found")
def test_what_stands_in_its_place_is_not_copied_or_downloaded_as_a_value(viewing: Client) -> None:
    task = f"/t/{id_of()}/"
    html = viewing.get(f"{task}k/?key=config").content.decode()
    for offered in ("Copy value", "download", "string, "):
        assert offered not in html
    assert "data-text" not in viewing.get(task).content.decode()
    for version in ("", "&version=1"):
        answer = viewing.get(f"{task}k/download/?key=config{version}")
        assert answer.status_code == 403
        assert "hidden from people until it is revealed" in answer.content.decode()


@pytest.mark.usefixtures("_found")
def test_the_admin_site_hides_it_too(viewing: Client, viewer: User) -> None:
    User.objects.filter(pk=viewer.pk).update(is_staff=True)
    paths = [f"/admin/statestore/entry/{entry.pk}/change/" for entry in Entry.objects.all()]
    for path in ("/admin/statestore/entry/", *paths):
        html = viewing.get(path).content.decode()
        assert "hidden: possible secret" in html
        assert SECRET not in html
        assert "Possible secret in 2 keys" in html


def test_without_a_finding_there_is_no_pill(viewing: Client, client: Client) -> None:
    put("page", 1)
    services.scan_secrets()
    for who in (viewing, client):
        assert "secret-pill" not in who.get("/safe/").content.decode()
    assert "Nothing found" in viewing.get("/secrets/").content.decode()


@pytest.mark.usefixtures("_found")
def test_the_pill_is_not_for_who_may_not_look(client: Client) -> None:
    client.force_login(User.objects.create_user("noor"))
    assert "secret-pill" not in client.get("/safe/").content.decode()
    assert client.get("/secrets/").status_code == 403


@pytest.mark.usefixtures("_found")
def test_the_list_says_where_and_why(viewing: Client) -> None:
    html = viewing.get("/secrets/").content.decode()
    assert "sales / run-1 / ingest" in html
    assert "name of a secret at /password" in html
    assert '<button class="btn sm' not in html
    assert "needs the right to clear or to administer" in html


def keys_of(viewing: Client, query: str) -> tuple[list[str], str]:
    """The keys that a page lists, and where the next one begins."""
    page = viewing.get(f"/secrets/{query}").context["page"]
    return [found.key for found in page.findings], page.next_after


def test_a_value_with_many_places_hides_no_other_key(viewing: Client) -> None:
    put("first", {"password": SECRET})
    put("many", [{"password": f"{SECRET} {number}"} for number in range(130)])
    services.scan_secrets()
    assert keys_of(viewing, "") == (["many", "first"], "")
    assert "and 125 more places" in viewing.get("/secrets/").content.decode()


def test_pages_of_findings_follow_each_other_each_key_once(
    viewing: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("statestore.queries.findings._LOOKED_AT", 40)
    for number in range(120):
        put(f"k{number:03}", {"password": SECRET, "token": SECRET})
    services.scan_secrets()
    put("k000", {"password": SECRET, "token": SECRET, "api_key": SECRET})
    services.scan_secrets()
    seen, after = [], ""
    while True:
        keys, after = keys_of(viewing, f"?after={after}")
        seen += keys
        if not after:
            break
    assert seen[0] == "k000"
    assert sorted(seen) == [f"k{number:03}" for number in range(120)]


@pytest.mark.parametrize(
    ("query", "found"),
    [("dag=sal", ["config"]), ("dag=hr", ["url"]), ("key=u", ["url"]), ("rule=BASIC", ["url"]),
     ("rule=name+of&dag=hr", []), ("dag=orders", [])],
)  # fmt: skip
def test_findings_are_filtered(viewing: Client, query: str, found: list[str]) -> None:
    put("config", {"password": SECRET})
    put("url", "postgresql://app:s3cretpw@db.internal/app", TaskScope("hr", "r", "t"))
    services.scan_secrets()
    assert keys_of(viewing, f"?{query}") == (found, "")
    if not found:
        html = viewing.get(f"/secrets/?{query}").content.decode()
        assert "Nothing found matches these filters" in html
        assert 'href="/secrets/">' in html


@pytest.mark.usefixtures("_found")
def test_without_the_right_the_server_refuses(viewing: Client, viewer: User) -> None:
    for action in ("reveal", "dismiss"):
        assert viewing.post(f"/secrets/{action}/", form()).status_code == 403
        assert viewing.get(f"/secrets/{action}/").status_code in {403, 405}
    may(viewer, "delete_entry")
    assert viewing.post("/secrets/reveal/", form()).status_code == 403
    assert Entry.objects.count() == 2
    assert not AuditEntry.objects.filter(action="revealed").exists()


@pytest.mark.usefixtures("_found")
def test_a_value_is_revealed_once_and_that_is_in_the_audit(viewing: Client, viewer: User) -> None:
    may(viewer, "change_apitoken")
    answer = viewing.post("/secrets/reveal/", form())
    html = answer.content.decode()
    assert html.index("Version 2") < html.index(f"{SECRET}2") < html.index("Version 1")
    assert f"{SECRET}&quot;" in html.partition("Version 1")[2]
    assert answer["Cache-Control"] == "no-store"
    entry = AuditEntry.objects.get(action="revealed")
    assert (entry.who, entry.key, entry.reason) == ("user vera", "config", "on call")
    assert SECRET not in viewing.get("/secrets/").content.decode()


@pytest.mark.usefixtures("_found")
def test_who_comes_back_to_the_answer_to_a_form_is_led_to_the_page(
    viewing: Client, viewer: User
) -> None:
    may(viewer, "change_apitoken", "change_entry")
    put("page", 1)
    edit = f"/t/{id_of()}/k/edit/?key=page"
    assert viewing.post(edit, {"value": "{"}).status_code == 422
    assert viewing.post("/secrets/reveal/", form()).status_code == 200
    pages = {"/secrets/reveal/": "/secrets/", edit: f"/t/{id_of()}/k/?key=page"}
    for answered_at, page in pages.items():
        assert viewing.get(answered_at)["Location"] == page
        assert viewing.get(page).status_code == 200


@pytest.mark.usefixtures("_found")
def test_task_and_key_offer_to_reveal_to_those_alone_who_may(viewing: Client, viewer: User) -> None:
    task = f"/t/{id_of()}/"
    key = f"{task}k/?key=config"
    link = f'data-ask="reveal" href="{key}#reveal"'
    for page in (task, f"/fragments{task}", key):
        assert 'reveal"' not in viewing.get(page).content.decode()
    may(viewer, "change_apitoken")
    for page in (task, f"/fragments{task}"):
        assert link in viewing.get(page).content.decode()
        assert "csrfmiddlewaretoken" not in viewing.get(f"/fragments{task}").content.decode()
    for shown in ("", "&as=raw", "&as=tree"):
        html = viewing.get(f"{key}{shown}").content.decode()
        assert 'data-reveal method="post" action="/secrets/reveal/"' in html
        assert SECRET not in html
    assert not AuditEntry.objects.filter(action="revealed").exists()
    put("plain", 1)
    assert "data-reveal" not in viewing.get(f"{task}k/?key=plain").content.decode()


@pytest.mark.usefixtures("_found")
def test_the_right_over_other_dags_reveals_nothing_here(viewing: Client, viewer: User) -> None:
    hr, sales = Group.objects.create(name="hr"), Group.objects.create(name="sales")
    rights = ["view_entry", "change_apitoken", "delete_entry"]
    hr.permissions.set(Permission.objects.filter(codename__in=rights))
    sales.permissions.set(Permission.objects.filter(codename="view_entry"))
    GroupReach.objects.create(group=hr, dag_patterns="hr_*")
    GroupReach.objects.create(group=sales, dag_patterns="sales")
    viewer.user_permissions.clear()
    viewer.groups.set([hr, sales])
    for page in (f"/t/{id_of()}/", f"/t/{id_of()}/k/?key=config"):
        assert 'reveal"' not in viewing.get(page).content.decode()
    listed = viewing.get("/secrets/").content.decode()
    assert "sales / run-1 / ingest" in listed
    assert "Not a secret<span" not in listed
    assert "Clear<span" not in listed
    assert 'secrets/reveal/"' not in listed
    assert viewing.post("/secrets/reveal/", form()).status_code == 403


@pytest.mark.usefixtures("_found")
def test_nothing_is_revealed_without_the_token_of_the_form(viewer: User) -> None:
    may(viewer, "change_apitoken")
    client = Client(enforce_csrf_checks=True)
    client.force_login(viewer)
    assert client.post("/secrets/reveal/", form()).status_code == 403
    page = client.get(f"/t/{id_of()}/k/?key=config")
    sent = {**form(), "csrfmiddlewaretoken": str(page.context["csrf_token"])}
    answer = client.post("/secrets/reveal/", sent)
    assert f"{SECRET}2" in answer.content.decode()
    assert f'href="/t/{id_of()}/k/?key=config">Hide it again' in answer.content.decode()


@pytest.mark.usefixtures("_found")
def test_a_false_alarm_is_shown_again(viewing: Client, viewer: User) -> None:
    may(viewer, "change_apitoken")
    sent = seen(viewing)
    html = viewing.get("/secrets/").content.decode()
    assert f'name="version" value="{sent["version"]}"' in html
    assert f'name="seen" value="{sent["seen"]}"' in html
    assert viewing.post("/secrets/dismiss/", sent)["Location"] == "/secrets/"
    assert "config is no secret" in viewing.get("/secrets/").content.decode()
    assert "Possible secret in 1 key<" in viewing.get("/safe/").content.decode()
    assert SECRET in viewing.get(f"/t/{id_of()}/k/?key=config").content.decode()
    assert "says user vera" in viewing.get("/secrets/?state=dismissed").content.decode()
    assert viewing.post("/secrets/dismiss/", sent).status_code == 404


@pytest.mark.usefixtures("_found")
def test_what_was_written_meanwhile_is_to_be_looked_at(viewing: Client, viewer: User) -> None:
    may(viewer, "change_apitoken")
    for change in ({"seen": ""}, {}):
        sent = {**seen(viewing), **change}
        put("config", {"password": f"{SECRET} {change}"})
        said = viewing.post("/secrets/dismiss/", sent, follow=True).content.decode()
        assert "config was written meanwhile. Look again." in said
        assert "Possible secret in 2 keys" in said
    sent, shown = seen(viewing), {"password": f"{SECRET} {{}}"}
    put("config", {"password": "of a version that nobody saw"})
    put("config", shown)
    said = viewing.post("/secrets/dismiss/", sent, follow=True).content.decode()
    assert "config is no secret, and it stays hidden for a version that came since" in said


@pytest.mark.usefixtures("_found")
def test_a_secret_is_cleared_with_its_versions(viewing: Client, viewer: User) -> None:
    may(viewer, "delete_entry")
    (clear,) = links(viewing, "from=secrets")
    asked = viewing.get(clear).content.decode()
    assert "It loses config: a retry goes on without." in asked
    assert "replace the secret" in asked
    assert Entry.objects.count() == 2
    assert viewing.post(clear, {"reason": "on call"})["Location"] == "/secrets/"
    assert [entry.key for entry in Entry.objects.all()] == ["progress"]
    assert AuditEntry.objects.get(action="cleared_key").reason == "on call"
    assert "Possible secret in 1 key<" in viewing.get("/safe/").content.decode()


def secret_asset(key: str) -> Asset:
    asset, _ = services.asset_register(name="orders", uri="s3://orders")
    value = {"password": SECRET}
    services.entry_set(
        scope=AssetScope(asset.id), key=key, value=json.dumps(value), decoded=value,
        writer=Writer("token worker"),
    )  # fmt: skip
    services.scan_secrets()
    return asset


@pytest.mark.parametrize("key", ["config", "watermark"])
def test_no_page_of_assets_holds_the_value(viewing: Client, key: str) -> None:
    asset = secret_asset(key)
    for path in ("assets/", f"assets/{asset.id}/"):
        for place in ("/", "/fragments/"):
            html = viewing.get(f"{place}{path}").content.decode()
            assert SECRET not in html
            assert "hidden: possible secret" in html


def test_a_job_of_a_hidden_record_is_not_shown(viewing: Client) -> None:
    record = {"state": "submitted", "external_id": SECRET, "password": SECRET}
    put("job.submission", {**record, "token": "t-1", "generation": 1})
    pages = [f"/t/{id_of()}/{query}" for query in ("", "?key=other")]
    for _ in ("before the scan", "after it"):
        for page in pages:
            assert SECRET not in viewing.get(page).content.decode()
        services.scan_secrets()
        watcher.forget()


def test_an_asset_can_be_cleared(viewing: Client, viewer: User) -> None:
    asset = secret_asset("config")
    may(viewer, "delete_entry", "change_apitoken")
    assert "asset orders" in viewing.get("/secrets/").content.decode()
    sent = {"kind": "asset", "owner": asset.id, "key": "config"}
    key = f"/assets/{asset.id}/k/?key=config"
    assert f'{key}#reveal"' in viewing.get(f"/assets/{asset.id}/").content.decode()
    assert "data-reveal" in viewing.get(key).content.decode()
    shown = viewing.post("/secrets/reveal/", sent).content.decode()
    assert SECRET in shown
    assert f'href="{key}">Hide it again' in shown
    (clear,) = links(viewing, "from=secrets")
    viewing.post(clear)
    assert "Nothing found" in viewing.get("/secrets/").content.decode()


@pytest.mark.parametrize("owner", ["", "x", "-1", "9" * 30, "999999"])
def test_a_form_that_names_nothing_is_not_found(viewing: Client, viewer: User, owner: str) -> None:
    may(viewer, "change_apitoken")
    for kind in ("task", "asset"):
        sent = {"kind": kind, "owner": owner, "key": "k"}
        assert viewing.post("/secrets/dismiss/", sent).status_code == 404


def test_markup_is_shown_as_text(viewing: Client, viewer: User) -> None:
    may(viewer, "change_apitoken")
    put(EVIL, {f"{EVIL} password": SECRET})
    services.scan_secrets()
    assert SecretFinding.objects.exists()
    for html in (viewing.get("/secrets/"), viewing.post("/secrets/reveal/", form(EVIL))):
        assert EVIL not in html.content.decode()
