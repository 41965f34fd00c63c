"""People in a real Chromium: two at once, one without rights, one who hears the page, one without scripts."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.test import Client
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from statestore import services
from statestore.models import Asset, Entry, SweepRun
from statestore.protocol import AssetScope
from tests.dashboard.data import id_of, put
from tests.dashboard.scriptless import without_scripts
from tests.dashboard.test_browser_live import EXPECTED, SKIPPING, WITHIN

pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True)
def _tasks(transactional_db: None) -> None:
    put("progress", {"current": 10, "total": 100})
    for rows in (1, 2):
        put("config", {"rows": rows})
    put("settings", {"password": "correct horse battery"})
    asset, _ = services.asset_register(name="orders", uri="s3://orders")
    put("watermark", "2026-11-20", AssetScope(asset.id))
    services.scan_secrets()


@pytest.fixture
def colleague(browser: Browser, live_server: LiveServer) -> Iterator[Page]:
    """The page of another person, who may clear and change."""
    user = User.objects.create_user("omar")
    rights = ["view_entry", "change_entry", "delete_entry"]
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client = Client()
    client.force_login(user)
    context = browser.new_context(base_url=live_server.url)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    context.add_cookies(
        [{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}]
    )
    yield context.new_page()
    context.close()


def test_one_sees_what_the_other_does(page: Page, colleague: Page) -> None:
    page.goto(f"/t/{id_of()}/")
    colleague.goto(f"/t/{id_of()}/k/?key=config")
    colleague.get_by_text("Change the value").first.click()
    colleague.get_by_label("New value, in JSON").fill('{"rows": 77}')
    colleague.get_by_role("button", name="Change the value").click()
    expect(page.locator("[data-watch]", has_text="77")).to_be_visible(timeout=WITHIN)
    expect(page.locator(".feed")).to_contain_text("Changed a value: user omar")
    colleague.goto(f"/t/{id_of()}/")
    colleague.get_by_role("link", name="Clear config").click()
    colleague.get_by_role("dialog").get_by_role("button", name="Clear 1 key").click()
    expect(page.get_by_role("rowheader", name="config")).to_have_count(0, timeout=WITHIN)


def test_of_two_who_clear_a_key_the_second_is_told(
    page: Page, viewer: User, colleague: Page, complaints: list[str]
) -> None:
    viewer.user_permissions.add(Permission.objects.get(codename="delete_entry"))
    for one in (page, colleague):
        one.goto(f"/t/{id_of()}/")
        one.get_by_role("link", name="Clear config").click()
    for one in (page, colleague):
        one.get_by_role("dialog").get_by_role("button", name="Clear 1 key").click()
    expect(page.get_by_text("Cleared 1 key.")).to_be_visible()
    expect(colleague.get_by_text("has expired or was cleared")).to_be_visible()
    assert complaints == []


def test_who_may_only_look_finds_nothing_to_press(page: Page) -> None:
    task, asset = f"/t/{id_of()}/", f"/assets/{Asset.objects.get().pk}/"
    for path in (
        "/", "/runs/", f"/runs/{id_of()}/", task, f"{task}k/?key=config", f"{task}k/?key=settings",
        "/assets/", asset, f"{asset}k/?key=watermark", "/retention/?dry_run=1", "/secrets/",
    ):  # fmt: skip
        page.goto(path)
        expect(page.locator("main")).to_be_visible()
        assert page.locator("main a[data-ask], main form[method=post]").count() == 0, path
        assert "correct horse" not in page.content()
    expect(page.get_by_role("link", name="Audit")).to_have_count(0)


# Notes what the page says, and when by its own clock.
HEARING = """
  window.heard = [];
  addEventListener("DOMContentLoaded", () => {
    const said = document.getElementById("announce");
    const hear = () => window.heard.push([Date.now(), said.textContent]);
    new MutationObserver(hear).observe(said, { childList: true });
  });
"""


def heard(page: Page) -> list[str]:
    """What the page has said, never one thing within 10 s of another."""
    said = page.evaluate("window.heard")
    assert all(after - before >= 10_000 for (before, _), (after, _) in pairwise(said)), said
    return [text for _, text in said]


def test_what_goes_wrong_is_said_aloud_and_not_too_often(page: Page) -> None:
    page.add_init_script(SKIPPING + HEARING)
    page.goto("/")
    said = page.locator("#announce")
    assert said.get_attribute("aria-live") == "polite"
    put("progress", {"status": "failed", "current": 10, "total": 100})
    expect(said).to_have_text("1 needs attention, 0 running", timeout=WITHIN)
    put("progress", {"status": "done", "current": 100, "total": 100})
    expect(page.locator("#n-done")).to_have_text("1", timeout=WITHIN)
    page.evaluate("window.skip = 9_000")
    expect(said).to_have_text("0 running", timeout=WITHIN)
    assert heard(page) == ["1 needs attention, 0 running", "0 running"]


def test_a_lost_connection_is_said_once_and_that_it_is_back(
    page: Page, complaints: list[str]
) -> None:
    page.add_init_script(SKIPPING + HEARING)
    page.goto("/")
    said = page.locator("#announce")
    page.context.set_offline(True)
    expect(said).to_have_text("Live updates are lost.", timeout=WITHIN)
    put("progress", {"status": "failed", "current": 10, "total": 100})
    page.evaluate("window.skip = 10_000")
    for _ in range(2):
        with page.expect_event("requestfailed"):
            pass
    page.context.set_offline(False)
    expect(page.locator("#n-failed")).to_have_text("1", timeout=WITHIN)
    expect(said).to_have_text("Live updates are back. 1 needs attention, 0 running")
    assert len(heard(page)) == 2
    assert [text for text in complaints if not EXPECTED.search(text)] == []
    complaints.clear()


def test_a_sweep_that_comes_as_it_should_is_not_said_aloud(page: Page) -> None:
    services.sweep_expired()
    page.goto("/retention/")
    sweeps = page.get_by_role("table", name="Sweeps").get_by_role("row")
    expect(sweeps).to_have_count(2)
    services.sweep_expired()
    expect(sweeps).to_have_count(3, timeout=WITHIN)
    expect(page.locator("#announce")).to_be_empty()
    SweepRun.objects.update(started_at=datetime(2026, 1, 1, tzinfo=UTC))
    expect(page.locator("#announce")).to_have_text("The sweep is late.", timeout=WITHIN)


def test_nothing_moves_for_those_who_asked_for_that(page: Page) -> None:
    def moving() -> int:
        return int(
            page.evaluate("document.getAnimations().filter((a) => a.playState !== 'idle').length")
        )

    page.goto("/")
    expect(page.locator("#live-pill")).to_be_visible()
    assert moving() > 0
    page.emulate_media(reduced_motion="reduce")
    assert moving() == 0


def test_without_scripts_a_key_is_looked_at_changed_and_cleared(
    browser: Browser, live_server: LiveServer, colleague: Page
) -> None:
    with without_scripts(browser, colleague, live_server.url) as plain:
        plain.goto(f"/t/{id_of()}/k/?key=config")
        expect(plain.get_by_role("link", name="Reload")).to_be_visible()
        plain.get_by_text("Change the value").first.click()
        plain.get_by_label("New value, in JSON").fill('{"rows": 5}')
        plain.get_by_role("button", name="Change the value").click()
        expect(plain.get_by_role("status").first).to_contain_text("changed, in version 3")
        plain.get_by_role("link", name="Clear key…").click()
        plain.get_by_role("button", name="Clear 1 key").click()
        expect(plain.get_by_text("Cleared 1 key.")).to_be_visible()
    assert not Entry.objects.filter(key="config").exists()
