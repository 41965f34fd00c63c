"""Between a phone and a desk: nothing scrolls sideways, no column is squeezed, targets are large enough."""

import re
from dataclasses import replace

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from statestore.protocol import TaskScope
from tests.dashboard.data import id_of, put

pytestmark = pytest.mark.browser

PART = TaskScope("warehouse_daily", "scheduled__2026-11-20T06:00:00+00:00", "part", 0)
NAMES = "th.td-task .name, td.td-task .name"
# Targets that are smaller than so many pixels, with what a pseudo-element adds to them; links in a
# sentence may be.
SMALL = """least => [...document.querySelectorAll("a[href], button, input:not([type=hidden]), summary")]
  .filter((e) => e.checkVisibility() && !e.matches(".skip, [aria-hidden] *, [aria-hidden]"))
  .filter((e) => !e.closest("p, .faint"))
  .filter((e) => getComputedStyle(e, "::after").position !== "absolute")
  .map((e) => [e, e.getBoundingClientRect()])
  .filter(([e, box]) => Math.min(box.height, e.matches(".run") ? least : box.width) < least)
  .map(([e, box]) => `${e.outerHTML.slice(0, 120)}: ${box.width} x ${box.height}`)"""


@pytest.fixture(autouse=True)
def _stored(transactional_db: None) -> None:
    put("progress", {"current": 10, "total": 100})
    put("config", {"rows": 1})
    for index in range(12):
        status = "failed" if index == 5 else "running"
        put("progress", {"status": status, "current": 1}, replace(PART, map_index=index))


@pytest.mark.parametrize(
    ("width", "height", "finger"), [(834, 1112, True), (1024, 768, True), (780, 900, False)]
)
def test_a_tablet_has_room_for_everything(
    page: Page, browser: Browser, live_server: LiveServer, width: int, height: int, finger: bool
) -> None:
    context = browser.new_context(
        base_url=live_server.url, viewport={"width": width, "height": height}, has_touch=finger,
        is_mobile=finger, storage_state=page.context.storage_state(),
    )  # fmt: skip
    tablet = context.new_page()
    for path in ("/", "/runs/", f"/runs/{id_of(PART)}/", f"/t/{id_of()}/", "/assets/", "/secrets/"):
        tablet.goto(path)
        expect(tablet.locator("#live-pill [data-age]")).to_have_text(re.compile("now|ago"))
        assert tablet.evaluate("document.documentElement.scrollWidth") == width, path
        assert tablet.evaluate(SMALL, 44 if finger else 24) == [], path
        row = tablet.locator("table.grid tr:has(td)").first
        if row.count():
            ends = "row => row.lastElementChild.getBoundingClientRect().right"
            table = tablet.locator("table.grid").bounding_box()
            assert table is not None
            assert round(row.evaluate(ends)) == round(table["x"] + table["width"]), path
        for name in tablet.locator(NAMES).all():
            box, text = name.bounding_box(), name.inner_text()
            assert box is not None
            assert box["width"] > min(8 * len(text), 100) - 8, (path, text)
    word, age = (
        tablet.locator(f"#live-pill {part}").bounding_box() for part in ("[data-word]", "small")
    )
    assert word is not None
    assert age is not None
    assert age["y"] > word["y"] + 5
    context.close()
