"""For everyone, beside the pages: what goes wrong, and the admin site, as far as it is ours."""

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.cache import cache
from playwright.sync_api import Page, expect

from statestore import services
from statestore.models import Entry
from tests.dashboard.data import put
from tests.dashboard.pictures import picture
from tests.dashboard.test_browser_access import Theme, each_size, violations

pytestmark = pytest.mark.browser

# Django's own: one label for the two fields of a date with a time.
STOCK = [("label", "vDateField"), ("label", "vTimeField")]


@pytest.fixture(autouse=True)
def _stored(transactional_db: None) -> Iterator[None]:
    cache.clear()  # who failed to log in
    put("progress", {"current": 10, "total": 100})
    put("config", {"password": "correct horse battery"})
    services.scan_secrets()
    yield
    cache.clear()


def check(page: Page, name: str, theme: Theme) -> None:
    """Axe finds nothing in a page that is shown, but what Django writes so."""
    for size, _ in each_size(page):
        picture(page, f"{name}-{size}-{theme}")
        found = [(rule, html) for rule, nodes in violations(page) for html in nodes]
        assert [one for one in found if not is_stock(*one)] == [], (name, size)


def is_stock(rule: str, html: str) -> bool:
    return any(rule == known and part in html for known, part in STOCK)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everyone_can_use_what_is_said_of_a_failure(
    page: Page, complaints: list[str], theme: Theme, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    for path, status, words in (
        ("/audit/", 403, "lacks the right to administer"),
        ("/t/123456789/", 404, "has expired or was cleared"),
        ("/?" + "q=1&" * 1001, 400, "has too many fields"),
    ):
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == status
        expect(page.locator("main")).to_contain_text(words)
        check(page, f"status-{status}", theme)

    page.goto("/safe/")
    page.context.clear_cookies(name=settings.CSRF_COOKIE_NAME)
    page.get_by_label("Account of vera").click()
    with page.expect_response("**/logout/") as refused:
        page.get_by_role("button", name="Sign out").click()
    assert refused.value.status == 403
    check(page, "status-403-csrf", theme)

    monkeypatch.setattr("dashboard.live.queries.live_figures", lambda principal, **_: 1 / 0)
    answer = page.goto("/?q=never-read-before")
    assert answer is not None
    assert answer.status == 500
    check(page, "status-500", theme)

    monkeypatch.setattr(settings, "STATESTORE_LOGIN_LIMIT", 1)
    page.context.clear_cookies()
    page.goto("/login/")
    for _ in range(2):
        page.get_by_label("User name").fill("nobody")
        page.get_by_label("Password").fill("wrong")
        with page.expect_response("**/login/") as answered:
            page.get_by_role("button", name="Sign in").click()
    assert answered.value.status == 429
    check(page, "status-429", theme)
    complaints[:] = [
        said for said in complaints if "the server responded with a status" not in said
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everyone_can_use_the_admin_site(
    page: Page, complaints: list[str], viewer: User, theme: Theme
) -> None:
    User.objects.filter(pk=viewer.pk).update(is_staff=True, is_superuser=True)
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    entry = Entry.objects.get(key="progress").pk
    for name, path in (
        ("index", "/admin/"),
        ("entries", "/admin/statestore/entry/"),
        ("entry", f"/admin/statestore/entry/{entry}/change/"),
        ("token", "/admin/statestore/apitoken/add/"),
    ):
        page.goto(path)
        expect(page.get_by_label("Storage notice")).to_contain_text("Values are stored unencrypted")
        check(page, f"admin-{name}", theme)
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto("/admin/statestore/entry/")
    page.locator("input.action-select").first.check()
    page.locator("select[name=action]").select_option(label="Clear selected keys")
    page.get_by_role("button", name="Go", exact=True).click()
    expect(page.get_by_role("button", name="Clear")).to_be_visible()
    check(page, "admin-clear", theme)
    # Django's scripts set some inline styles in vain; axe cannot read sheets that a page has not.
    expected = ("Applying inline style", "Couldn't load preload assets")
    complaints[:] = [said for said in complaints if not said.startswith(expected)]
