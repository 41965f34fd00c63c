"""What the pages cost: at most 12 queries each, whatever is on them and whoever looks on."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.utils.http import urlencode
from pytest_django import DjangoAssertNumQueries

from dashboard.watch import watcher
from statestore import services
from statestore.models import GroupReach
from statestore.protocol import AssetScope, TaskScope
from tests.dashboard.data import SCOPE, id_of, put, silence
from tests.storage import expire

MOST = 12
MAPPED = TaskScope("sales", "run-1", "part")
MANY = TaskScope("sales", "run-1", "many")


@pytest.fixture
def asset_id(viewer: User) -> int:
    """An asset; beside it tasks in every state, mapped ones, one with many keys, secrets, what is
    overdue. The viewer sees the dags of one group."""
    for number in range(60):
        put("progress", {"current": number}, TaskScope("sales", f"run-{number % 20}", f"t{number}"))
    for index, status in enumerate(["done", "failed", "running", "running"] * 3):
        put("progress", {"status": status, "current": index}, MAPPED.at(index))
    put("part", 1, MAPPED.at(1))
    for number in range(101):
        put(f"c{number}", number, MANY)
    put("progress", {"current": 1})
    put("config", {"password": "correct horse battery"})
    put("config", {"password": "another horse battery"})
    put("late", 1)
    expire(SCOPE, "late")
    silence(MAPPED.at(2), minutes=20)
    asset, _ = services.asset_register(name="orders", uri="s3://orders")
    put("watermark", 1, AssetScope(asset.id))
    services.scan_secrets()
    services.sweep_expired()
    group = Group.objects.create(name="sales")
    group.permissions.set(Permission.objects.filter(content_type__app_label="statestore"))
    GroupReach.objects.create(group=group, dag_patterns="sales*", asset_patterns="orders*")
    viewer.user_permissions.clear()
    viewer.groups.add(group)
    return int(asset.id)


def _paths(asset_id: int) -> Iterator[str]:
    task, mapped = f"t/{id_of()}/", f"t/{id_of(MAPPED.at(1))}/"
    queries = (
        "",
        "?state=failed",
        "?sort=name",
        "?q=run-1",
        "?q=nothing",
        "?q=key:conf",
        "?q=run:r+task:t+key:c",
    )
    yield from (f"/{query}" for query in queries)
    yield from (f"/runs/{query}" for query in ("", "?q=run-1", "?q=key:conf"))
    for run in (id_of(), id_of(MAPPED.at(1))):
        yield from (f"/runs/{run}/{end}" for end in ("", "?state=failed", "?task=part", "clear/"))
    yield from (f"/{task}", f"/{task}?key=c", f"/{mapped}", f"/{task}clear/")
    yield from (f"/t/{id_of(MANY)}/{query}" for query in ("", "?key=c", "?after_key=c2"))
    yield from (f"/{task}k/?{urlencode({'key': key})}" for key in ("config", "progress"))
    asset = f"/assets/{asset_id}/"
    yield from ("/assets/", asset, f"{asset}clear/", f"{asset}k/?key=watermark")
    yield from ("/retention/", "/retention/?dry_run=1", "/secrets/", "/audit/", "/safe/")
    yield "/secrets/?dag=sales&rule=name"
    yield "/audit/?who=u&dag=s&run=r&task=t&key=c&asset=o&since=2020-01-01&until=2090-01-01"


@pytest.mark.parametrize("everything", [True, False])
@pytest.mark.parametrize("few", [0, 500])  # what an index finds is few, or more than that
def test_every_page_costs_few_queries(
    viewing: Client,
    viewer: User,
    asset_id: int,
    everything: bool,
    few: int,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    if everything:
        User.objects.filter(pk=viewer.pk).update(is_superuser=True)
    monkeypatch.setattr("statestore.queries.counting.FEW", few)
    monkeypatch.setattr("dashboard.secret_count.FRESH_SECONDS", 3600)
    viewing.get("/safe/")  # a process counts the secrets once in a while, for the pill
    for path in _paths(asset_id):
        watcher.forget()
        with django_assert_max_num_queries(MOST, info=path):
            assert viewing.get(path).status_code == 200, path
