"""For everyone: axe-core finds nothing, nothing overflows, in both themes and on a phone.

Writes pictures of the pages to var/screenshots/.
"""

import json
from pathlib import Path
from typing import Any, Literal

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from statestore import services
from statestore.protocol import NEVER_EXPIRE, TaskScope
from tests.dashboard.data import SCOPE, id_of, put, silence

pytestmark = pytest.mark.browser

AXE = (Path(__file__).parent / "vendor/axe-4.14.1.min.js").read_text()
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]}
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
PICTURES = settings.BASE_DIR / "var/screenshots"

Theme = Literal["light", "dark"]


@pytest.fixture(autouse=True)
def _tasks(transactional_db: None) -> None:
    long = "a_rather_long_name_without_a_space_" * 6
    services.attempt_start(scope=SCOPE)
    put("progress", {"current": 12000, "total": 50000, "unit": "rows", "message": "page 3"})
    put("job_id", "application_1732085112_0042", expiry=NEVER_EXPIRE)
    put("config", {"a": [1, True, None], "text": "b" * 300, long: 2.5})
    put("rows", list(range(2000)))
    put(long, long)
    put("progress", {"current": 1, "total": 3}, TaskScope(long, long, long, 2147483647))
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


def violations(page: Page) -> list[tuple[str, Any]]:
    page.evaluate(AXE)
    found = page.evaluate(f"axe.run(document, {json.dumps(RULES)})")
    return [(v["id"], [n["html"][:200] for n in v["nodes"]]) for v in found["violations"]]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["login", "live", "empty", "task", "safe", "missing"])
def test_everyone_can_use_the_page(
    page: Page, complaints: list[str], name: str, theme: Theme, size: str
) -> None:
    width, height = SIZES[size]
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    paths = {
        "login": "/login/",
        "live": "/",
        "empty": "/?q=nothing",
        "task": f"/t/{id_of()}/",
        "safe": "/safe/",
        "missing": "/missing/",
    }
    if name == "login":
        page.context.clear_cookies()
    page.goto(paths[name])
    expect(page.get_by_label("Storage notice")).to_contain_text("Values are stored unencrypted")
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}-{size}-{theme}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert violations(page) == []
    if name == "missing":
        complaints[:] = [said for said in complaints if "404" not in said]
