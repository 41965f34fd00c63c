"""Names and values that try to become markup, on every page of the dashboard and the admin site in a real
Chromium: all of it stays text."""

import json
from collections import Counter
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from django.contrib.auth.models import Group, User
from django.urls import Resolver404, resolve
from playwright.sync_api import Page, expect

from dashboard.urls import pages
from statestore import services
from statestore.access import Right
from statestore.models import Asset, GroupReach
from statestore.protocol import AssetScope, TaskScope
from statestore.services import Writer
from statestore.webhooks.events import Event
from tests.dashboard.data import id_of, put

pytestmark = pytest.mark.browser

# Markup for text, titles, quoted and bare attributes; and what may stand for an address.
HOSTILE: Final = (
    '"><script>alert(1)</script></title></textarea><svg id=owned onload=alert(2)>'
    "' onfocus='alert(3)' autofocus {{ 7|add:7 }}{% debug %}\u202e\u200b<!--&lt;b&gt;",
    'javascript:alert(4)//" onfocus=alert(5) autofocus data-owned="<owned-tag>',
)
EVERYWHERE: Final = TaskScope(HOSTILE[0], HOSTILE[0], HOSTILE[0])
NO_PAGES: Final = {"logout", "jsi18n", "schema", "audit_csv", "key_download", "asset_key_download"}
POSTED: Final = {
    "sweep_now", "secret_reveal", "secret_dismiss",
    *(f"{of}key_{action}" for of in ("", "asset_") for action in ("restore", "edit", "extend")),
}  # fmt: skip

MADE = """() => {
  const links = [...document.querySelectorAll("[href], [src], [action], [formaction]")];
  const runs = (link) => ["href", "src", "action", "formaction"].some(
    (name) => /^\\s*(javascript|data|vbscript):/i.test(link.getAttribute(name) ?? ""));
  const all = [...document.querySelectorAll("*")];
  const handles = (element) => [...element.attributes].some((a) => a.name.startsWith("on"));
  const made = document.querySelectorAll("#owned, [data-owned], owned-tag");
  return [...made, ...links.filter(runs), ...all.filter(handles)].map((e) => e.outerHTML);
}"""
TEXTS = "() => ({ title: document.title, body: document.body.textContent })"
LINKS = """() => [...document.querySelectorAll("a[href]")]
  .filter((link) => link.origin === location.origin)
  .map((link) => link.pathname + link.search)"""


@pytest.fixture(autouse=True)
def _no_script_runs(page: Page) -> None:
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))


@pytest.fixture(autouse=True)
def _hostile(transactional_db: None, viewer: User, settings: Any) -> None:
    """Somebody of that name who may do everything, and everything has such names."""
    settings.STATESTORE_TASK_URL = "https://airflow.example.com/{dag_id}/{run_id}/{task_id}"
    User.objects.filter(pk=viewer.pk).update(
        username=HOSTILE[0], is_staff=True, is_superuser=True, first_name=HOSTILE[1]
    )
    for text in HOSTILE:
        _tasks(text)
        asset, _ = services.asset_register(name=text, uri=text)
        for key in ("watermark", text):
            put(key, text, AssetScope(asset.id))
            put(key, {text: [text]}, AssetScope(asset.id))
        services.api_token_create(
            name=text[:100], rights=[Right.VIEW], dag_patterns=text, asset_patterns=text, owner=text
        )
        services.webhook_create(name=text[:100], url=text, events=[Event.FAILED], dag_patterns=text)
        group = Group.objects.create(name=text)
        GroupReach.objects.create(group=group, dag_patterns=text, asset_patterns=text)
    services.scan_secrets()


def _tasks(text: str) -> None:
    scope = TaskScope(text, text, text)
    for one in (scope, scope.at(0), scope.at(1)):
        put("progress", {"current": 1, "total": 4, "unit": text, "message": text}, one)
    put("progress", {"status": text, "current": text}, TaskScope(text, "free", "form"))
    put("progress", text, TaskScope(text, "text", "alone"))
    job = {"state": "submitted", "external_id": text, "token": text, "generation": 1}
    put("job_id.submission", job, scope)
    put("job_id", text, scope)
    put("gone", text, scope)
    for value in (text, {text: {text: text}}, {text: [text, text * 40]}):
        put(text, value, scope)
    put(f"{text} password", "correct horse", scope)
    writer = Writer(f"user {text}", reason=text)
    services.entry_delete(scope=scope, key="gone", writer=writer)
    restored = services.entry_edit(
        scope=scope, key="job_id", value=json.dumps(text * 2), decoded=text * 2, version=1,
        writer=writer,
    )  # fmt: skip
    assert restored == 2


def _doors() -> list[str]:
    """Where the crawl begins: what no link leads to is here."""
    task = f"/t/{id_of(EVERYWHERE)}/"
    asset = f"/assets/{Asset.objects.get(name=HOSTILE[0]).pk}/"
    doors = ["/", "/admin/", "/secrets/?state=dismissed", "/t/999999/"]
    doors += ["/retention/?dry_run=1", "/login/?next=javascript:alert(6)", f"/runs{task[2:]}"]
    lists = ("/live/", "/runs/", "/assets/", "/retention/", "/secrets/", "/audit/")
    for path in (*lists, task, f"/runs{task[2:]}", asset):
        doors.append(f"/fragments{path}")
    doors += [f"/fragments{owner}k/?key={quote(HOSTILE[0])}" for owner in (task, asset)]
    for text in HOSTILE:
        asked = quote(text, safe="")
        doors += [f"/?q={asked}", f"/?q=dag:{asked}", f"/runs/?q={asked}", f"/assets/?q={asked}"]
        doors += [f"/?state={asked}&sort={asked}&after={asked}", f"/not-there/{asked}"]
        doors += [f"/audit/?who={asked}&dag={asked}", f"{task}?key={asked}"]
        doors += [f"/admin/statestore/entry/?q={asked}"]
    return doors


def _kind(path: str) -> tuple[str, int]:
    """What is shown at a path, and how many such pages are looked at."""
    parts = urlsplit(path)
    try:
        view = resolve(parts.path)
    except Resolver404:
        return "nothing", 0
    if view.url_name in NO_PAGES:
        return view.view_name, 0
    form = dict(parse_qsl(parts.query)).get("as", "")
    of_one = view.kwargs and view.namespace == "dashboard"
    return f"{view.view_name} {form}".strip(), len(HOSTILE) if of_one else 1


def _crawl(page: Page) -> tuple[set[str], Counter[str]]:
    """The kinds of pages that were looked at, and how many names stood on them as text."""
    seen, shown = Counter[str](), Counter[str]()
    waiting, done = _doors(), set[str]()
    doors = set(waiting)
    for path in waiting:  # which grows
        kind, most = _kind(path)
        if path in done or (path not in doors and seen[kind] >= most):
            continue
        done.add(path)
        seen[kind] += 1
        page.goto(path)
        assert page.evaluate(MADE) == [], path
        for part, text in page.evaluate(TEXTS).items():
            shown[f"{part} of {kind}"] += sum(name in text for name in HOSTILE)
        waiting += page.evaluate(LINKS)
    return set(seen), shown


def test_names_and_values_are_text_on_every_page(page: Page, complaints: list[str]) -> None:
    seen, shown = _crawl(page)
    looked_at = {kind.removeprefix("dashboard:") for kind in seen}
    assert {path.name for path in pages} - looked_at <= NO_PAGES | POSTED
    for kind in ("task", "key", "run", "asset", "asset_key"):
        assert shown[f"title of dashboard:{kind}"] == len(HOSTILE)
    without = {kind for kind, count in shown.items() if kind.startswith("body") and not count}
    assert without == {"body of dashboard:retention_fragment"}  # where nothing has a name
    complaints[:] = [said for said in complaints if "404 (Not Found)" not in said]


def test_names_are_text_in_dialogs(page: Page) -> None:
    dialog = page.get_by_role("dialog")
    for name in HOSTILE:
        page.goto(f"/t/{id_of(TaskScope(name, name, name))}/")
        for opener in ("Clear keys…", f"Clear {name}", f"Reveal {name} password"):
            page.get_by_role("link", name=opener, exact=True).click()
            expect(dialog).to_contain_text(name)
            assert page.evaluate(MADE) == []
            dialog.locator("[data-cancel]").click()
            expect(dialog).to_be_hidden()


def test_names_are_text_in_the_files_that_are_taken_along(page: Page) -> None:
    task = f"/t/{id_of(EVERYWHERE)}/k/download/?key=job_id"
    for path, kind in (("/audit/audit.csv", "text/csv"), (task, "application/json")):
        answer = page.request.get(path)
        assert answer.headers["content-type"].startswith(kind)
        assert answer.headers["content-disposition"].startswith("attachment")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert HOSTILE[0].split()[0] in answer.text().replace('""', '"').replace('\\"', '"')
