"""The Audit page and its CSV."""

import csv
import re
from datetime import UTC, datetime
from html import unescape

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from dashboard.audit import csv_lines
from statestore import services
from statestore.models import Asset, AuditEntry, GroupReach
from statestore.protocol import AssetScope, TaskScope
from statestore.queries import AuditEntry as Snapshot
from statestore.services import Action, Writer
from tests.dashboard.data import EVIL, SCOPE, id_of, put


@pytest.fixture
def auditing(viewing: Client, viewer: User) -> Client:
    """Someone who may administer."""
    viewer.user_permissions.add(Permission.objects.get(codename="change_apitoken"))
    AuditEntry.objects.all().delete()
    return viewing


def clear(scope: TaskScope, key: str = "job_id", reason: str = "", who: str = "user vera") -> None:
    put(key, 1, scope)
    services.entry_delete(scope=scope, key=key, writer=Writer(who, reason=reason))


def html_of(client: Client, query: str = "") -> str:
    return client.get(f"/audit/{query}").content.decode()


def test_it_needs_the_right_to_administer(client: Client, viewing: Client) -> None:
    for path in ("/audit/", "/audit/audit.csv"):
        assert client.get(path)["Location"] == f"/login/?next={path}"
        answer = viewing.get(path)
        assert answer.status_code == 403
        assert "statestore.change_apitoken" in answer.content.decode()
    assert 'href="/audit/"' not in viewing.get("/").content.decode()


def test_it_says_who_did_what_to_what_and_why(auditing: Client) -> None:
    clear(SCOPE, "job_id", "the driver was killed")
    html = html_of(auditing)
    for text in ("user vera", "Cleared a key", "sales / run-1 / ingest", "job_id",
                 "the driver was killed"):  # fmt: skip
        assert text in html
    assert 'href="/audit/"' in auditing.get("/").content.decode()


def test_it_can_be_filtered(auditing: Client) -> None:
    clear(TaskScope("sales", "r1", "load"), "k1")
    clear(TaskScope("salesforce", "r2", "load"), "k2", who="user noor")
    services.audit_record(action=Action.SWEPT, who="shell root")
    old = AuditEntry.objects.get(action="swept")
    AuditEntry.objects.filter(pk=old.pk).update(at=datetime(2020, 2, 3, 23, 59, tzinfo=UTC))

    def shown(query: str) -> set[str]:
        html = html_of(auditing, query)
        return {word for word in ("k1", "k2", "shell root") if f">{word}<" in html.split("<h2>")[0]}

    assert shown("") == {"k1", "k2", "shell root"}
    assert shown("?who=user+noor") == {"k2"}
    assert shown("?action=swept") == {"shell root"}
    assert shown("?dag=sales") == {"k1", "k2"}
    assert shown("?dag=sales&run=r1&task=lo") == {"k1"}
    assert shown("?since=2020-02-03&until=2020-02-03") == {"shell root"}
    assert shown("?until=2020-02-02") == set()
    assert shown("?since=2020-02-31&action=nonsense&before=x&until=9999-12-31") != set()


def seen(auditing: Client, query: str) -> list[str]:
    """The keys of the entries that a page lists, newest first."""
    return [entry.key for entry in auditing.get(f"/audit/{query}").context["page"].entries]


@pytest.fixture
def _cleared(auditing: Client) -> None:
    clear(TaskScope("sales", "r1", "ingest"), "whole")
    clear(TaskScope("sales", "r1", "ingest_2"), "longer", "wrong source")
    clear(TaskScope("sales", "r1", "part", 3), "third")
    clear(TaskScope("sales", "r1", "part", 4), "fourth")
    for name in ("orders", "orders_eu"):
        asset, _ = services.asset_register(name=name, uri=f"s3://{name}")
        put(name, 1, AssetScope(asset.id))
        services.entry_delete(scope=AssetScope(asset.id), key=name, writer=Writer("user vera"))
    AuditEntry.objects.filter(key="third").update(address="10.0.0.7")
    AuditEntry.objects.filter(key="fourth").update(address="10.0.0.77")


@pytest.mark.usefixtures("_cleared")
@pytest.mark.parametrize("few", [500, 0])  # whether an index finds few, or has too many
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?asset=orders", ["orders_eu", "orders"]),
        ("?asset=orders&whole=1", ["orders"]),
        ("?key=wh", ["whole"]),
        ("?key=wh&whole=1", []),
        ("?address=10.0", ["fourth", "third"]),
        ("?address=10.0.0.7&whole=1", ["third"]),
        ("?reason=SOURCE", ["longer"]),
        ("?dag=sales&run=r1&task=ingest", ["longer", "whole"]),
        ("?dag=sales&run=r1&task=ingest&whole=1", ["whole"]),
        ("?task=part&index=3", ["third"]),
        ("?action=cleared_key&key=f", ["fourth"]),
    ],
)
def test_it_is_searched_for_anything_that_it_names(
    auditing: Client, query: str, found: list[str], few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("statestore.queries.counting.FEW", few)
    assert seen(auditing, query) == found
    lines = auditing.get(f"/audit/audit.csv{query}").getvalue().decode().splitlines()
    assert [row["key"] for row in csv.DictReader(lines)] == found


@pytest.mark.usefixtures("_cleared")
def test_a_task_and_an_asset_lead_to_their_own_audit(auditing: Client) -> None:
    def link(page: str) -> str:
        html = auditing.get(page).content.decode()
        return unescape(re.findall(r'href="/audit/(\?[^"]+)"', html)[0])

    put("job_id", 1, TaskScope("sales", "r1", "part", 5))
    services.entries_clear(
        scope=TaskScope("sales", "r1", "part"), writer=Writer("user vera"), all_map_indices=True
    )
    for scope, found in (
        (TaskScope("sales", "r1", "ingest"), ["whole"]),
        (TaskScope("sales", "r1", "part", 3), ["", "third"]),
    ):
        put("progress", 1, scope)
        query = link(f"/t/{id_of(scope)}/")
        assert seen(auditing, query) == found
        row = link(f"/audit/{query}")
        assert sorted(row[1:].split("&")) == sorted(query[1:].split("&"))
    asset = Asset.objects.get(name="orders")
    assert seen(auditing, link(f"/assets/{asset.pk}/")) == ["orders"]


def test_what_is_many_is_looked_for_in_parts(
    auditing: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("statestore.queries.audit._LOOKED_AT", 5)
    monkeypatch.setattr("statestore.queries.counting.FEW", 2)
    clear(SCOPE, "job_id", "the first one")
    for number in range(12):
        clear(SCOPE, f"k{number:02}")
    html = html_of(auditing, "?reason=first")
    assert "No match among 5 entries" in html
    assert "Look further back" in html
    found, before = [], ""
    while True:
        page = auditing.get(f"/audit/?dag=sales&reason=first&before={before}").context["page"]
        found += [entry.key for entry in page.entries]
        if page.older is None:
            break
        before = str(page.older)
    assert found == ["job_id"]
    lines = auditing.get("/audit/audit.csv?reason=first").getvalue().decode().splitlines()
    assert [row["key"] for row in csv.DictReader(lines)] == ["job_id"]


def test_pages_follow_each_other_without_gaps(auditing: Client) -> None:
    for number in range(103):
        services.audit_record(action=Action.SWEPT, detail=f"no. {number:03}.")
    seen: list[str] = []
    query = ""
    for _ in range(3):
        html = html_of(auditing, query)
        seen += [f"no. {n:03}." for n in reversed(range(103)) if f"no. {n:03}." in html]
        query = f"?before={AuditEntry.objects.get(detail=seen[-1]).pk}"
    assert seen == [f"no. {number:03}." for number in reversed(range(103))]
    assert "Older" not in html_of(auditing, query)


def test_markup_is_shown_as_text(auditing: Client) -> None:
    clear(TaskScope(EVIL, EVIL, EVIL), EVIL, EVIL, "user " + EVIL)
    assert EVIL not in html_of(auditing)
    assert "&lt;script&gt;" in html_of(auditing)


def test_who_administers_some_dags_sees_what_happened_to_these(
    auditing: Client, viewer: User
) -> None:
    group = Group.objects.create(name="hr")
    group.permissions.add(Permission.objects.get(codename="change_apitoken"))
    GroupReach.objects.create(group=group, dag_patterns="hr_*")
    viewer.groups.add(group)
    clear(TaskScope("hr_pay", "r", "t"), "mine")
    clear(TaskScope("sales", "r", "t"), "theirs")
    services.audit_record(action=Action.SWEPT, who="shell root")
    html = html_of(auditing)
    assert "mine" in html
    assert "theirs" not in html
    assert "shell root" not in html


def test_the_csv_has_all_of_it_and_the_filter(auditing: Client) -> None:
    for number in range(60):
        clear(SCOPE, f"k{number}")
    services.audit_record(action=Action.SWEPT, who="shell root")
    answer = auditing.get("/audit/audit.csv?action=cleared_key")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(answer.getvalue().decode().splitlines()))
    assert [row["key"] for row in rows] == [f"k{number}" for number in reversed(range(60))]
    assert rows[0]["dag_id"] == "sales"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\uff1d"])
def test_no_cell_of_the_csv_is_a_formula(start: str) -> None:
    evil = f"{start}cmd|' /C calc'!A0"
    scope = TaskScope(evil, evil, evil, 3)
    entry = Snapshot(1, datetime(2026, 1, 1, tzinfo=UTC), evil, "swept", evil, scope, evil, evil,
                     evil, evil)  # fmt: skip
    _, line = csv_lines([entry])
    cells = next(csv.reader([line]))
    assert [cell for cell in cells if cell.startswith(start)] == []
    assert cells.count(f"'{evil}") == 9
