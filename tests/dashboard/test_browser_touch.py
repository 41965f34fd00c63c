"""What a finger touches on a phone, on every page: it is 44 px high."""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page

from statestore import services
from statestore.protocol import AssetScope, TaskScope
from tests.dashboard.data import SCOPE, id_of, put

pytestmark = pytest.mark.browser

LEAST = 44  # px
MAPPED = TaskScope("sales", "run-1", "part")
# From the middle of each target up and down, as far as a touch still reaches it.
TARGETS = """() => {
  const kinds = "a[href], button, summary, select, textarea, input:not([type=hidden])";
  const seen = (e) => e.checkVisibility() && !e.closest(".sr, .skip, thead");
  const reach = (e) => {
    e.scrollIntoView({ block: "center", inline: "center" });
    const box = e.getClientRects()[0], x = box.left + box.width / 2, y = box.top + box.height / 2;
    const hit = (by) => e.contains(document.elementFromPoint(x, y + by));
    let up = 0, down = 0;
    while (up < 60 && hit(-up)) up += 1;
    while (down < 60 && hit(down)) down += 1;
    return up + down;
  };
  return [...document.querySelectorAll(kinds)].filter(seen)
    .map((e) => [e.outerHTML.slice(0, 120), reach(e)]);
}"""


@pytest.fixture(autouse=True)
def _all_there_is(transactional_db: None, viewer: User) -> None:
    User.objects.filter(pk=viewer.pk).update(is_staff=True, is_superuser=True)
    put("progress", {"status": "failed", "current": 10, "total": 100})
    for index in (1, 2):
        put("progress", {"current": 10, "total": 100}, MAPPED.at(index))
    for rows in (1, 2):
        put("config", {"rows": rows, "more": rows, "deep": list(range(400))})
    put("settings", {"password": "correct horse battery"})
    asset, _ = services.asset_register(name="orders", uri="s3://orders")
    put("watermark", "2026-11-20", AssetScope(asset.id))
    services.scan_secrets()


def paths() -> list[str]:
    task, asset = (
        f"/t/{id_of(SCOPE)}/",
        services.asset_register(name="orders", uri="s3://orders")[0],
    )
    keys = [f"{task}k/?key=config", f"{task}k/?key=config&as=tree", f"{task}k/?key=settings"]
    tops = ["/", "/runs/", "/assets/", "/retention/", "/secrets/", "/audit/", "/safe/"]
    return [*tops, task, f"/t/{id_of(MAPPED.at(1))}/", f"/runs/{id_of()}/", *keys,
            f"/assets/{asset.id}/", f"/assets/{asset.id}/k/?key=watermark", f"{task}clear/"]  # fmt: skip


def test_every_target_is_large_enough(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for path in paths():
        page.goto(path)
        found = page.evaluate(TARGETS)
        assert found
        small = [(what, height) for what, height in found if height < LEAST]
        assert small == [], path


def test_no_tab_is_narrower_than_its_words(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for path in ("/", f"/runs/{id_of()}/"):
        page.goto(path)
        tabs = page.locator(".seg a")
        assert tabs.count() > 3
        assert (
            tabs.evaluate_all("all => all.filter((e) => e.scrollWidth > e.clientWidth).length") == 0
        )


def test_a_desk_keeps_its_lines(page: Page) -> None:
    page.goto(f"/t/{id_of()}/")
    for name in (".crumbs a", ".kn", ".secret-pill", ".fold > summary"):
        box = page.locator(name).first.bounding_box()
        assert box is not None
        assert box["height"] < LEAST
