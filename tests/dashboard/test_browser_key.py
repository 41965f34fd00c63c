"""The page of a key in a real Chromium: it moves with the key, and around what a person is about to do."""

import json

import pytest
from django.contrib.auth.models import Permission, User
from playwright.sync_api import Page, expect

from statestore import services
from statestore.protocol import AssetScope
from statestore.services import Writer
from tests.dashboard.data import SCOPE, id_of, put
from tests.dashboard.test_browser_live import EXPECTED, WITHIN

pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True)
def _key(transactional_db: None, viewer: User) -> None:
    rights = ["change_entry", "delete_entry"]
    viewer.user_permissions.add(*Permission.objects.filter(codename__in=rights))
    for rows in (1, 2):
        put("config", {"rows": rows, "deep": {"a": {"b": {"c": rows}}}})


def write(rows: int) -> None:
    put("config", {"rows": rows, "new": [1], "deep": {"a": {"b": {"c": rows}}}})


def test_value_versions_and_chart_move_with_the_key(page: Page) -> None:
    page.goto(f"/t/{id_of()}/k/?key=config")
    page.evaluate("window.stayed = true")
    value = page.locator("#value")
    expect(value).to_contain_text('"rows": 2')
    write(731)
    expect(value).to_contain_text('"rows": 731', timeout=WITHIN)
    expect(value).to_have_class("json changed")
    expect(page.locator("#v3")).to_contain_text('+ "rows": 731')
    expect(page.locator("#h-curve ~ .sub")).to_have_text("1 to 731")
    expect(page.locator("#version")).to_have_text("3")
    assert page.evaluate("window.stayed")


def test_what_a_person_types_stays_and_an_old_version_is_not_written_over(
    page: Page, complaints: list[str]
) -> None:
    page.goto(f"/t/{id_of()}/k/?key=config")
    page.get_by_text("Change the value").first.click()
    new, why = page.get_by_label("New value, in JSON"), page.get_by_label("Why is it changed?")
    extend = page.get_by_role("textbox", name="Why? (optional)", exact=True)
    restore = page.get_by_label("Why version 1 is restored")
    for box in (extend, restore, why, new):
        box.fill('{"rows": 5}')
    page.get_by_label("Keep it from now for").select_option("90 days")
    write(731)
    expect(page.locator("#value")).to_contain_text('"rows": 731', timeout=WITHIN)
    for box in (extend, restore, why, new):
        expect(box).to_have_value('{"rows": 5}')
    expect(page.get_by_label("Keep it from now for")).to_have_value("90")
    expect(new).to_be_focused()
    page.get_by_role("button", name="Change the value").click()
    expect(page.get_by_role("alert")).to_contain_text("it was written meanwhile")
    expect(new).to_have_value('{"rows": 5}')
    page.get_by_role("button", name="Change the value").click()
    expect(page.get_by_role("status").first).to_contain_text("changed, in version 4")
    assert [said for said in complaints if "422" not in said] == []
    complaints.clear()


def test_a_form_that_nobody_has_touched_is_about_the_new_value(page: Page) -> None:
    page.goto(f"/t/{id_of()}/k/?key=config")
    write(731)
    expect(page.locator("#value")).to_contain_text('"rows": 731', timeout=WITHIN)
    page.get_by_text("Change the value").first.click()
    page.get_by_label("New value, in JSON").fill('{"rows": 5}')
    page.get_by_role("button", name="Change the value").click()
    expect(page.get_by_role("status").first).to_contain_text("changed, in version 4")


def test_a_tree_stays_open_where_somebody_opened_it(page: Page) -> None:
    page.goto(f"/t/{id_of()}/k/?key=config&as=tree")
    for name in ("a", "b"):
        page.locator("#value summary", has_text=f'"{name}"').last.click()
    number = page.locator("#value").get_by_text('"c": 2')
    expect(number).to_be_visible()
    page.locator("#value summary", has_text='"deep"').focus()
    write(731)
    expect(page.locator("#value").get_by_text('"c": 731')).to_be_visible(timeout=WITHIN)
    expect(page.locator("#value summary", has_text='"deep"')).to_be_focused()


def test_a_key_that_goes_is_told_and_seen_when_it_is_back(
    page: Page, complaints: list[str]
) -> None:
    page.goto(f"/t/{id_of()}/k/?key=config")
    services.entry_delete(scope=SCOPE, key="config", writer=Writer("token worker"))
    expect(page.locator("#offline")).to_contain_text("is not there any more", timeout=WITHIN)
    expect(page.locator("#value")).to_contain_text('"rows": 2')
    expect(page.locator("#live-pill")).to_contain_text("Offline")
    put("config", {"rows": 731})
    expect(page.locator("#value")).to_contain_text('"rows": 731', timeout=WITHIN)
    expect(page.locator("#offline")).to_be_hidden()
    expect(page.locator("#live-pill")).to_contain_text("Live")
    assert [said for said in complaints if not EXPECTED.search(said) and "404" not in said] == []
    complaints.clear()


def test_its_value_is_copied_with_the_keyboard(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"/t/{id_of()}/k/?key=config")
    page.keyboard.press("c")
    expect(page.locator("#announce")).to_have_text("Copied")
    assert json.loads(page.evaluate("navigator.clipboard.readText()"))["rows"] == 2


def test_the_key_of_an_asset_moves_too(page: Page) -> None:
    asset, _ = services.asset_register(name="orders", uri="s3://orders")
    put("watermark", "2026-11-19", AssetScope(asset.id))
    page.goto(f"/assets/{asset.id}/k/?key=watermark")
    put("watermark", "2026-11-20", AssetScope(asset.id))
    expect(page.locator("#value")).to_have_text('"2026-11-20"', timeout=WITHIN)
