"""The pages that the benchmark asks for: by name, by who asks, by path."""

from collections.abc import Iterator

from django.db.models import Count

from statestore.models import (
    ApiToken,
    Asset,
    AssetEntry,
    AuditEntry,
    Entry,
    SweepRun,
    TaskInstance,
)

Page = tuple[str, str, str]

_LIVE = (
    "",
    "sort=newest",
    "sort=oldest",
    "sort=name",
    "state=running",
    "state=stalled",
    "state=failed",
    "state=done",
    "state=none",
    "q=dag:sales_00",
    "q=run:scheduled__2",
    "q=task:mapped",
    "q=task:task_11",
    "q=key:job_id",
    "q=key:part_00150",
    "q=key:nothing",
    "q=sales",
    "q=mapped+failed",
    "q=zzz-a-rare-word",
    "q=dag:sales_00+zzz-a-rare-word",
    "q=dag:sales_00+key:nothing",
    "q=dag:salse_00",
    "q=salse+taks",
    "state=running&q=zzz-a-rare-word",
    "state=done&q=key:nothing",
    "sort=name&q=zzz-a-rare-word",
    "sort=oldest&q=key:nothing",
)
_ENTRY_LIST = (
    "",
    "q=part_00150",
    "q=sales_00",
    "q=zzz-a-rare-word",
    "q=sales+job_id",
    "q=scheduled__2",
    "expired=yes",
    "expired=no",
    "expiry=never",
    "expiry=some",
    "dag=sales_00",
    "dag=zzz",
    "run=scheduled__2",
    "run=zzz",
    "task=mapped",
    "task=zzz",
    "key=part_001",
    "key=zzz",
    "key=job&dag=sales_00",
    "key=job&task=zzz",
    "expiry=never&expired=yes",
    "expiry=never&key=zzz",
    "p=2",
    "p=90",
    "o=1",
    "o=-6",
    "all=",
)
_TASK_LIST = (
    "",
    "q=mapped",
    "q=sales_00",
    "q=zzz-a-rare-word",
    "q=scheduled__2",
    "status__exact=running",
    "status__exact=done",
    "dag=sales_00",
    "dag=zzz",
    "run=scheduled__2",
    "task=mapped",
    "task=zzz",
    "status__exact=failed&task=zzz",
    "p=2",
    "p=90",
    "o=1",
    "o=4",
)


def pages() -> Iterator[Page]:
    """All of them."""
    yield from _live()
    yield from _records()
    yield from _admin()


def _live() -> Iterator[Page]:
    for query in _LIVE:
        yield f"Live {query}", "everyone", f"/?{query}"
    yield "Live fragment", "everyone", "/fragments/live/"
    for query in ("", "q=zzz-a-rare-word", "q=key:nothing", "state=done", "sort=name"):
        yield f"Live, sales alone {query}", "some", f"/?{query}"
    for query in ("", "q=dag:sales_00", "q=task:mapped", "q=zzz-a-rare-word", "q=key:nothing"):
        yield f"Runs {query}", "everyone", f"/runs/?{query}"
    yield "Runs fragment", "everyone", "/fragments/runs/"
    yield "Runs, sales alone", "some", "/runs/"


def _records() -> Iterator[Page]:
    keys = Count("entries")
    mapped = TaskInstance.objects.filter(map_index=2500).values_list("pk", flat=True)[0]
    by_keys = TaskInstance.objects.filter(dag_id__startswith="sales").alias(keys=keys)
    usual = by_keys.filter(keys__gt=8, keys__lt=16, status="running").values_list("pk", flat=True)[
        0
    ]
    most = TaskInstance.objects.alias(keys=keys).order_by("-keys").values_list("pk", flat=True)[0]
    for name, pk in (("usual", usual), ("5,000 indices", mapped)):
        for query in ("", "state=failed", "sort=name"):
            yield f"Run, {name} {query}", "everyone", f"/runs/{pk}/?{query}"
        yield f"Run, {name}, fragment", "everyone", f"/fragments/runs/{pk}/"
        yield f"Run, {name}, clear", "everyone", f"/runs/{pk}/clear/"
    for name, pk in (("usual", usual), ("20,000 keys", most), ("5,000 indices", mapped)):
        yield f"Task, {name}", "everyone", f"/t/{pk}/"
        yield f"Task, {name}, fragment", "everyone", f"/fragments/t/{pk}/"
        yield f"Task, {name}, clear", "everyone", f"/t/{pk}/clear/"
    yield "Task, 20,000 keys, further down", "everyone", f"/t/{most}/?after_key=part_15000"
    yield "Task, sales alone", "some", f"/t/{usual}/"
    versioned = Entry.objects.extra(where=["id %% 5 = 0"]).exclude(key="progress")
    entry = versioned.filter(task_instance=most)[0]
    path = f"/t/{entry.task_instance_id}"
    yield "Key", "everyone", f"{path}/k/?key={entry.key}"
    yield "Key, download", "everyone", f"{path}/k/download/?key={entry.key}"
    yield "Key, clear", "everyone", f"{path}/clear-key/?key={entry.key}"
    few, many = Asset.objects.values_list("pk", flat=True)[5], 1000
    for query in ("", "q=orders_0012", "q=zzz-a-rare-word"):
        yield f"Assets {query}", "everyone", f"/assets/?{query}"
        yield f"Assets, some {query}", "some", f"/assets/?{query}"
    yield "Assets fragment", "everyone", "/fragments/assets/"
    for name, pk in (("usual", few), ("5,000 keys", many)):
        yield f"Asset, {name}", "everyone", f"/assets/{pk}/"
        yield f"Asset, {name}, fragment", "everyone", f"/fragments/assets/{pk}/"
        yield f"Asset, {name}, clear", "everyone", f"/assets/{pk}/clear/"
    asset_key = AssetEntry.objects.filter(asset=many)[10].key
    versioned_of_asset = AssetEntry.objects.extra(where=["id %% 5 = 0"]).filter(asset=many)
    kept = versioned_of_asset[10].key
    yield "Asset key", "everyone", f"/assets/{many}/k/?key={kept}"
    yield "Asset, clear a key", "everyone", f"/assets/{many}/clear-key/?key={asset_key}"
    yield "Retention", "everyone", "/retention/"
    yield "Retention, dry run", "everyone", "/retention/?dry_run=1"
    yield "Retention fragment", "everyone", "/fragments/retention/"
    yield "Retention, sales alone", "some", "/retention/"
    yield "Secrets", "everyone", "/secrets/"
    yield "Secrets, dismissed", "everyone", "/secrets/?state=dismissed"
    yield "Secrets, sales alone", "some", "/secrets/"
    last = AuditEntry.objects.order_by("pk").values_list("pk", flat=True)[100]
    audit: tuple[str, ...] = (
        "",
        "who=user+person1",
        "who=zzz",
        "action=cleared",
        "action=revealed",
        "dag=sales",
    )
    audit += (
        "dag=zzz",
        "run=scheduled__2",
        "run=zzz",
        "task=task_01",
        "task=zzz",
        f"before={last}",
    )
    audit += ("since=2020-01-01", "until=2020-01-01", "who=user+person7&action=revealed")
    audit += ("action=cleared_run&since=2020-01-01&task=zzz",)
    for query in audit:
        yield f"Audit {query}", "everyone", f"/audit/?{query}"
    yield "Audit, sales alone", "some", "/audit/"
    yield "Audit, sales alone, filtered", "some", "/audit/?action=logged_in"
    yield "Safe to store", "everyone", "/safe/"


def _admin() -> Iterator[Page]:
    store = "/admin/statestore"
    yield "Admin", "everyone", "/admin/"
    for query in _ENTRY_LIST:
        yield f"Admin, entries {query}", "everyone", f"{store}/entry/?{query}"
    for query in _TASK_LIST:
        yield f"Admin, task instances {query}", "everyone", f"{store}/taskinstance/?{query}"
    entry, task = Entry.objects.order_by("pk")[777], TaskInstance.objects.order_by("pk")[777]
    yield "Admin, entry", "everyone", f"{store}/entry/{entry.pk}/change/"
    yield "Admin, entry, history", "everyone", f"{store}/entry/{entry.pk}/history/"
    yield "Admin, task instance", "everyone", f"{store}/taskinstance/{task.pk}/change/"
    for query in ("", "q=worker", "q=zzz", "p=2"):
        yield f"Admin, tokens {query}", "everyone", f"{store}/apitoken/?{query}"
    token, sweep = ApiToken.objects.order_by("pk")[7], SweepRun.objects.order_by("pk")[7]
    yield "Admin, token", "everyone", f"{store}/apitoken/{token.pk}/change/"
    yield "Admin, add a token", "everyone", f"{store}/apitoken/add/"
    for query in ("", "p=2"):
        yield f"Admin, sweeps {query}", "everyone", f"{store}/sweeprun/?{query}"
    yield "Admin, sweep", "everyone", f"{store}/sweeprun/{sweep.pk}/change/"
    for query in ("", "q=person12", "q=zzz", "is_staff__exact=1", "p=2"):
        yield f"Admin, users {query}", "everyone", f"/admin/auth/user/?{query}"
    yield "Admin, user", "everyone", "/admin/auth/user/1/change/"
    yield "Admin, add a user", "everyone", "/admin/auth/user/add/"
    for query in ("", "q=team+1"):
        yield f"Admin, groups {query}", "everyone", f"/admin/auth/group/?{query}"
    yield "Admin, group", "everyone", "/admin/auth/group/1/change/"
