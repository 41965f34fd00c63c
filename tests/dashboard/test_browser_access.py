"""For everyone: axe-core finds nothing, nothing overflows, in both themes and on a phone."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from django.contrib.auth.models import Permission, User
from playwright.sync_api import Page, expect

from statestore import services
from statestore.models import Asset
from statestore.protocol import NEVER_EXPIRE, AssetScope, TaskScope
from statestore.sdk.records import Submission, SubmissionState
from statestore.services import Writer
from tests.dashboard.data import SCOPE, id_of, put, silence
from tests.dashboard.pictures import picture

pytestmark = pytest.mark.browser

AXE = (Path(__file__).parent / "vendor/axe-4.14.1.min.js").read_text()
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"],
    "resultTypes": ["violations"],
}
DRAWN = """
async () => {
    await document.fonts.ready;
    await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
    return innerWidth;
}
"""
SIZES = {"desktop": (1280, 800), "phone": (390, 844)}

PART = TaskScope("warehouse_daily", "run-7", "part", 0)

Theme = Literal["light", "dark"]


@pytest.fixture(autouse=True)
def _tasks(transactional_db: None, viewer: User) -> None:
    long = "a_rather_long_name_without_a_space_" * 6
    services.attempt_start(scope=SCOPE)
    job = Submission("ss-1-1", 1, SubmissionState.SUBMITTED, "application_1732085112_0042")
    put("job_id.submission", job.to_value())
    put("progress", {"current": 12000, "total": 50000, "unit": "rows", "message": "page 3"})
    put("job_id", "application_1732085112_0042", expiry=NEVER_EXPIRE)
    put("config", {"a": [1, True, None], "text": "b" * 300, long: 2.5})
    put("job_url", "https://spark.example.com/app/42")
    put("rows", list(range(2000)))
    put(long, long)
    put("progress", {"current": 1, "total": 3}, TaskScope(long, long, long, 2147483647))
    for index in range(24):
        status = "failed" if index == 5 else "running" if index > 15 else "done"
        put("progress", {"status": status}, replace(PART, map_index=index))
    for task, value, age in (
        ("copy_events", {"status": "failed", "current": 2, "total": 5}, 6),
        ("wait_spark_job", {"current": 61, "total": 100, "unit": "steps"}, 11),
        ("export_marts", {"status": "done", "current": 9, "total": 9}, 30),
        ("poll_salesforce", {"current": 84220, "unit": "records"}, 1),
        ("free_form", "halfway", 2),
    ):
        scope = TaskScope("warehouse_daily", "scheduled__2026-11-20T06:00:00+00:00", task)
        put("progress", value, scope)
        silence(scope, age)

    for name, marks in (
        ("orders", {"watermark": "2026-11-19", **dict.fromkeys("abcdef", 12)}),
        (long, {}),
    ):
        number = services.asset_register(name=name, uri=f"s3://lake/{name}")[0].id
        for key, mark in marks.items():
            text = json.dumps(mark)
            services.entry_set(
                scope=AssetScope(number), key=key, value=text, decoded=mark, writer=Writer("w")
            )
    put("gone", 1, expiry=timedelta(0))
    services.sweep_expired()
    put("gone", 1, expiry=timedelta(0))
    viewer.user_permissions.add(
        *Permission.objects.filter(codename__in=["delete_entry", "change_apitoken"])
    )


def each_size(page: Page) -> Iterator[tuple[str, int]]:
    """The name and the width of each size, once the page is drawn in it."""
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate(DRAWN) == width
        yield size, width


def violations(page: Page) -> list[tuple[str, Any]]:
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    found = page.evaluate(f"axe.run(document, {json.dumps(RULES)})")
    return [(v["id"], [n["html"][:200] for n in v["nodes"]]) for v in found["violations"]]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everyone_can_use_every_page(page: Page, complaints: list[str], theme: Theme) -> None:
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    paths = {
        "live": "/",
        "empty": "/?q=nothing",
        "task": f"/t/{id_of()}/",
        "mapped": f"/t/{id_of(replace(PART, map_index=5))}/",
        "runs": "/runs/",
        "run": f"/runs/{id_of(PART)}/",
        "indices": f"/runs/{id_of(PART)}/?task={PART.task_id}",
        "assets": "/assets/",
        "asset": f"/assets/{Asset.objects.get(name='orders').pk}/",
        "retention": "/retention/?dry_run=1",
        "clear": f"/t/{id_of()}/clear/",
        "safe": "/safe/",
        "missing": "/missing/",
        "login": "/login/",
    }
    for name, path in paths.items():
        if name == "login":
            page.context.clear_cookies()
        page.goto(path)
        expect(page.get_by_label("Storage notice")).to_contain_text("Values are stored unencrypted")
        for size, width in each_size(page):
            picture(page, f"{name}-{size}-{theme}")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (name, size)
            assert violations(page) == [], (name, size)
    complaints[:] = [said for said in complaints if "404" not in said]
