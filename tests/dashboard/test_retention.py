"""Retention: what the sweep does, and what it will do."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from dashboard.watch import watcher
from statestore import services
from statestore.models import AuditEntry, Entry, GroupReach, SweepRun
from statestore.protocol import NEVER_EXPIRE
from tests.dashboard.data import SCOPE, put


@pytest.fixture
def _keys(db: None) -> None:
    put("ever", 1, expiry=NEVER_EXPIRE)
    put("soon", 1, expiry=timedelta(hours=2))
    put("week", 1, expiry=timedelta(days=3))
    put("month", 1)
    put("gone", 1, expiry=timedelta(days=1))
    then = datetime.now(UTC) - timedelta(hours=5)
    Entry.objects.filter(key="gone").update(
        expires_at=then, expires_hour=int(then.timestamp() // 3600)
    )


@pytest.mark.usefixtures("_keys")
def test_the_figures_are_those_of_the_store(viewing: Client) -> None:
    figures = viewing.get("/retention/").context["page"].figures
    assert [
        amount.number
        for amount in (
            figures.keys,
            figures.overdue,
            figures.expire_in_a_day,
            figures.expire_in_a_week,
            figures.never_expire,
        )
    ] == [5, 1, 1, 2, 1]
    assert figures.bytes_on_disk > 0


@pytest.mark.usefixtures("_keys")
def test_what_expires_is_counted_to_a_limit(
    viewing: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("statestore.queries.figures.EXPIRING_COUNTED", 1)
    figures = viewing.get("/retention/").context["page"].figures
    assert (str(figures.expire_in_a_day), str(figures.expire_in_a_week)) == ("1", "1+")


def test_a_late_sweep_is_told(viewing: Client) -> None:
    assert "The sweep is late" in viewing.get("/retention/").content.decode()
    services.sweep_expired()
    watcher.forget()
    html = viewing.get("/retention/").content.decode()
    assert "The sweep is on time" in html
    SweepRun.objects.update(started_at=datetime.now(UTC) - timedelta(minutes=10))
    watcher.forget()
    assert "The sweep is late" in viewing.get("/retention/").content.decode()


def test_a_sweep_by_hand_does_not_end_the_alarm(viewing: Client, viewer: User) -> None:
    viewer.user_permissions.add(Permission.objects.get(codename="change_apitoken"))
    answer = viewing.post("/retention/sweep/", follow=True)
    html = answer.content.decode()
    assert "The sweep is late.</b> Beat has never started one." in html
    assert "by hand</th>" in html
    services.sweep_expired()
    watcher.forget()
    html = viewing.get("/retention/").content.decode()
    assert "The sweep is on time.</b> Beat's last one was" in html
    assert html.count("by hand</th>") == 1


@pytest.mark.usefixtures("_keys")
def test_a_dry_run_lists_what_would_go_and_deletes_nothing(viewing: Client) -> None:
    page = viewing.get("/retention/?dry_run=1").context["page"]
    assert [(entry.scope, entry.key) for entry in page.expired] == [(SCOPE, "gone")]
    assert Entry.objects.count() == 5


@pytest.mark.usefixtures("_keys")
def test_only_an_administrator_sweeps_by_hand(viewing: Client, viewer: User) -> None:
    assert "Sweep now" not in viewing.get("/retention/").content.decode()
    assert viewing.post("/retention/sweep/").status_code == 403
    viewer.user_permissions.add(Permission.objects.get(codename="change_apitoken"))
    assert "Sweep now" in viewing.get("/retention/").content.decode()
    assert viewing.get("/retention/sweep/").status_code == 405
    answer = viewing.post("/retention/sweep/", follow=True)
    assert "The sweep deleted 1 expired keys" in answer.content.decode()
    assert not Entry.objects.filter(key="gone").exists()
    entry = AuditEntry.objects.get(action="swept")
    assert (entry.who, entry.detail) == ("user vera", "1 expired entries")


@pytest.mark.usefixtures("_keys")
def test_who_administers_some_dags_sweeps_nothing(viewing: Client, viewer: User) -> None:
    some = Group.objects.create(name="some")
    some.permissions.set(Permission.objects.filter(codename__in=["view_entry", "change_apitoken"]))
    GroupReach.objects.create(group=some, dag_patterns="sales")
    viewer.groups.add(some)
    assert "Sweep now" not in viewing.get("/retention/").content.decode()
    assert viewing.post("/retention/sweep/").status_code == 403
    assert Entry.objects.filter(key="gone").exists()
