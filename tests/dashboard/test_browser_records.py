"""The pages that look back, in a real Chromium: usable by everyone, in both themes and on a phone."""

import re

import pytest
from django.contrib.auth.models import Permission, User
from playwright.sync_api import Page, expect

from statestore import services
from statestore.models import Asset, AuditEntry
from statestore.protocol import AssetScope, TaskScope
from statestore.services import Action, Writer
from tests.dashboard.data import EVIL, SCOPE, id_of, put
from tests.dashboard.pictures import picture
from tests.dashboard.test_browser_access import SIZES, Theme, violations
from tests.dashboard.test_browser_live import WITHIN

pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True)
def _history(transactional_db: None, viewer: User) -> None:
    rights = ["view_entry", "change_apitoken", "change_entry", "delete_entry"]
    viewer.user_permissions.set(Permission.objects.filter(codename__in=rights))
    for scope, reason in ((SCOPE, "the driver was killed"), (TaskScope(EVIL, "r" * 250, "t"), "")):
        put("job_id", "application_42", scope)
        services.entry_delete(scope=scope, key="job_id", writer=Writer("user vera", reason=reason))

    asset, _ = services.asset_register(name=EVIL, uri="s3://lake/" + "o" * 200)
    for rows in (1, 2, 5):
        deep = {"one": {"two": [{"three": {"four": "y" * 100, "five": []}}] * rows}}
        config = {
            "rows": rows,
            "note": EVIL,
            "list": list(range(rows)),
            "long": "x" * 200,
            "x": deep,
        }
        put("config", config)
        put("config", config, AssetScope(asset.id))
    put("settings", {"db": {"password": "correct horse battery", "url": "https://u:pw1234@host/"}})
    services.scan_secrets()


PATHS = {
    "audit": "/audit/",
    "audit-empty": "/audit/?who=nobody-of-that-name",
    "audit-more": "/audit/?dag=sales&whole=1",
    "key": "{task}/k/?key=config",
    "key-tree": "{task}/k/?key=config&as=tree",
    "asset-key": "{asset}/k/?key=config",
    "secrets": "/secrets/",
}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PATHS)
def test_everyone_can_use_the_page(page: Page, name: str, theme: Theme) -> None:
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    of_asset = Asset.objects.values_list("pk", flat=True)[0]
    path = PATHS[name].format(task=f"/t/{id_of()}", asset=f"/assets/{of_asset}")
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        page.goto(path)
        notice = page.get_by_label("Storage notice")
        expect(notice).to_contain_text("Values are stored unencrypted")
        picture(page, f"{name}-{size}-{theme}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, size
        assert violations(page) == [], size


@pytest.mark.parametrize("width", [320, 780, 1000])
def test_the_bar_of_who_may_do_everything_fits(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto("/")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_audit_is_filtered_and_exported(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name="Audit").click()
    page.get_by_role("textbox", name="Dag").fill("sales")
    page.get_by_label("What").select_option("Cleared a key")
    page.get_by_role("button", name="Filter").click()
    rows = page.get_by_role("table", name="Audit entries").get_by_role("row")
    expect(rows).to_have_count(2)
    expect(rows.last).to_contain_text("the driver was killed")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export as CSV").click()
    text = download.value.path().read_text()
    assert text.count("cleared_key") == 1
    assert "the driver was killed" in text


def test_a_version_is_restored_from_its_page(page: Page) -> None:
    page.goto(f"/t/{id_of()}/")
    page.get_by_role("link", name="config", exact=True).click()
    page.get_by_label("Why version 1 is restored").fill("the new one was wrong")
    page.get_by_role("button", name="Restore version 1").click()
    expect(page.get_by_role("status").first).to_contain_text("Version 1 is restored, as version 4")
    expect(page.locator("#v4")).to_contain_text("by user vera")


def test_a_secret_is_hidden_revealed_and_cleared(page: Page) -> None:
    page.goto(f"/t/{id_of()}/")
    expect(page.get_by_text("Hidden: looks like a secret.")).to_be_visible()
    page.get_by_role("link", name="Possible secret in 1 key").click()
    row = page.get_by_role("row").filter(has_text="settings")
    expect(row).to_contain_text("name of a secret at /db/password")
    row.get_by_label("Why, for settings").fill("whose is it?")
    row.get_by_role("button", name="Reveal settings").click()
    expect(page.get_by_label("Revealed value")).to_contain_text("correct horse battery")
    page.get_by_role("link", name="Clear settings").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("It loses settings: a retry goes on without.")
    expect(dialog).to_contain_text("replace the secret")
    dialog.get_by_role("button", name="Clear 1 key").click()
    expect(page.get_by_role("status").first).to_contain_text("Cleared 1 key.")
    expect(page.get_by_text("Nothing found")).to_be_visible()
    expect(page.locator(".secret-pill")).to_have_count(0)


def test_a_secret_is_revealed_in_place_and_gone_when_it_is_closed(page: Page) -> None:
    value, dialog = page.get_by_label("Revealed value"), page.get_by_role("dialog")
    page.goto(f"/t/{id_of()}/")
    page.get_by_role("link", name="Reveal settings").click()
    dialog.get_by_label("Why? (optional)").fill("whose is it?")
    dialog.get_by_role("button", name="Reveal").click()
    expect(dialog.get_by_label("Revealed value")).to_contain_text("correct horse battery")
    assert violations(page) == []
    picture(page, "reveal-task", whole=False)
    page.wait_for_timeout(1500)  # the page goes on polling
    expect(value).to_be_visible()
    page.keyboard.press("Escape")
    expect(value).to_have_count(0)
    assert AuditEntry.objects.get(action="revealed").reason == "whose is it?"

    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_role("link", name="settings", exact=True).click()
    picture(page, "reveal-key", whole=False)
    assert violations(page) == []
    page.get_by_role("button", name="Reveal").click()
    expect(value).to_contain_text("correct horse battery")
    picture(page, "revealed-key", whole=False)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    dialog.get_by_role("link", name="Hide it again").click()
    expect(value).to_have_count(0)
    assert "correct horse battery" not in page.content()
    assert AuditEntry.objects.filter(action="revealed").count() == 2


def test_the_tree_is_opened_by_keyboard_and_its_view_has_an_address(page: Page) -> None:
    put("config", {"a": {"b": {"c": {"big": 9007199254740993}}}})
    page.goto(f"/t/{id_of()}/k/?key=config")
    page.get_by_role("link", name="Tree").click()
    tree, number = (
        page.get_by_label("Value of config", exact=True),
        page.get_by_text("9007199254740993"),
    )
    expect(page).to_have_url(re.compile("as=tree"))
    expect(tree.get_by_text('"b"')).to_be_visible()
    expect(tree.get_by_text('"c"')).to_be_hidden()
    for name in ("b", "c"):
        tree.locator("summary", has_text=f'"{name}"').focus()
        page.keyboard.press("Enter")
    expect(tree.locator(number)).to_be_visible()


def test_the_retention_is_extended_from_the_page(page: Page) -> None:
    page.goto(f"/t/{id_of()}/k/?key=config")
    page.get_by_label("Keep it from now for").select_option("90 days")
    page.get_by_role("button", name="Extend the retention").click()
    expect(page.get_by_role("status").first).to_contain_text("The key is kept until")
    expect(page.locator(".defs")).to_contain_text("in 90 days")


def test_a_value_is_changed_from_its_page(page: Page) -> None:
    page.goto(f"/t/{id_of()}/k/?key=config")
    page.get_by_text("Change the value").first.click()
    page.get_by_label("New value, in JSON").fill('{"rows": 9}')
    page.get_by_label("Why is it changed?").fill("load nine again")
    picture(page, "key-edit")
    assert violations(page) == []
    page.get_by_role("button", name="Change the value").click()
    expect(page.get_by_role("status").first).to_contain_text("The value is changed, in version 4")
    expect(page.locator("#v4")).to_contain_text("by user vera")


def test_a_finding_appears_on_the_open_list_around_what_is_being_typed(page: Page) -> None:
    page.goto("/secrets/")
    rows = page.locator("table.records tbody tr")
    expect(page.locator("#live-pill")).to_contain_text("Live")
    why = page.get_by_label("Why, for settings")
    why.fill("whose is it?")
    top = why.bounding_box()
    put("login", {"password": "swordfish"})
    services.scan_secrets()
    expect(rows).to_have_count(2, timeout=WITHIN)
    assert rows.last.get_by_role("link", name="login", exact=True).count() == 1
    expect(why).to_have_value("whose is it?")
    expect(why).to_be_focused()
    assert why.bounding_box() == top
    expect(page.locator("a.secret-pill")).to_have_text("Possible secret in 2 keys", timeout=WITHIN)
    why.fill("")
    why.blur()
    expect(rows.first).to_contain_text("login", timeout=WITHIN)
    services.entry_delete(scope=SCOPE, key="login", writer=Writer("token worker"))
    expect(rows).to_have_count(1, timeout=WITHIN)


def test_what_is_done_appears_on_the_open_audit(page: Page) -> None:
    page.goto("/audit/?action=swept")
    expect(page.get_by_text("No entry matches these filters")).to_be_visible()
    services.audit_record(action=Action.SWEPT, who="shell root")
    services.audit_record(action=Action.LOGGED_IN, who="user noor")
    rows = page.locator("table.records tbody tr")
    expect(rows).to_have_count(1, timeout=WITHIN)
    expect(rows).to_contain_text("shell root")
    expect(page.get_by_role("link", name="Clear filters")).to_be_visible()


def test_findings_and_the_audit_are_walked_with_the_keyboard(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    for path, copied in (("/secrets/", "^settings$"), ("/audit/", "user vera: ")):
        page.goto(path)
        page.keyboard.press("j")
        expect(page.locator("tr[id] [data-row]").first).to_be_focused()
        page.keyboard.press("c")
        expect(page.locator("#announce")).to_have_text("Copied")
        assert re.search(copied, page.evaluate("navigator.clipboard.readText()")), path
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"who=user%20vera"))
