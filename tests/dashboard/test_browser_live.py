"""The pages in a real Chromium: what moves, and what happens when it cannot."""

import re
from statistics import median
from typing import Any, Literal

import httpx
import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from dashboard.watch import TICK, Watcher
from statestore import services
from statestore.access import Right
from statestore.protocol import TaskScope
from statestore.services import Writer
from tests.api.conftest import task_path
from tests.dashboard.data import SCOPE, id_of, put, silence
from tests.dashboard.scriptless import without_scripts

pytestmark = pytest.mark.browser

WITHIN = 15_000  # ms from a write to the page on a busy machine; else it takes one or two seconds
# What a browser and htmx say of a request that failed.
EXPECTED = re.compile("ERR_INTERNET_DISCONNECTED|401|^htmx:|Response Status Error Code")
OTHER = TaskScope("sales", "run-1", "export")


@pytest.fixture(autouse=True)
def _one_task(transactional_db: None) -> None:
    put("progress", {"current": 10, "total": 100, "unit": "rows"})
    put("config", {"rows": list(range(400))})


def test_live_shows_a_write_without_a_reload(page: Page) -> None:
    page.goto("/")
    page.evaluate("window.stayed = true")
    row = page.locator(f"#t-{id_of()}")
    expect(row).to_contain_text("10 %")
    put("progress", {"current": 42, "total": 100, "unit": "rows"})
    expect(row).to_contain_text("42 %", timeout=WITHIN)
    expect(row.locator(".changed")).to_have_count(1)
    expect(row.locator(".changed")).to_have_count(0, timeout=WITHIN)
    put("progress", {"current": 1}, OTHER)
    expect(page.locator(f"#t-{id_of(OTHER)}")).to_be_visible(timeout=WITHIN)
    assert page.evaluate("window.stayed")


# 2 s, in the machine's own time: the server looks at the store so often meanwhile, and on a busy one later.
LOOKS = 2 / TICK


@pytest.mark.parametrize(("path", "cell"), [("/", "#p-{}"), ("/t/{}/", "#big")])
def test_a_put_is_seen_within_two_seconds(
    page: Page, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch, path: str, cell: str
) -> None:
    looks, look = [0], Watcher._look

    def counted(watcher: Watcher) -> float:
        looks[0] += 1
        return look(watcher)

    monkeypatch.setattr(Watcher, "_look", counted)
    _, token = services.api_token_create(name="worker", rights=[Right.WRITE])
    url = live_server.url + task_path(SCOPE, "state-store/progress")
    number, seen = id_of(), []
    page.goto(path.format(number))
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}) as worker:
        for percent in range(31, 36):
            page.wait_for_timeout(100 * (percent % 7))  # not in step with the server
            value: dict[str, Any] = {"current": percent, "total": 100}
            assert worker.put(url, json={"value": value}).status_code == 204
            before = looks[0]
            page.wait_for_function(
                "([cell, text]) => document.querySelector(cell).textContent.includes(text)",
                arg=[cell.format(number), str(percent)],
                timeout=4 * WITHIN,
            )
            seen.append(looks[0] - before)
    assert median(seen) <= LOOKS, seen


def test_task_shows_a_write_and_keeps_open_what_was_opened(page: Page) -> None:
    page.goto(f"/t/{id_of()}/")
    fold = page.locator("details.fold")
    fold.locator("summary").click()
    put("progress", {"current": 42, "total": 100, "unit": "rows"})
    expect(page.locator("#big")).to_have_text("42", timeout=WITHIN)
    put("new_key", "value")
    expect(page.get_by_role("rowheader", name="new_key")).to_be_visible(timeout=WITHIN)
    expect(fold).to_have_attribute("open", "")
    expect(page.get_by_role("button", name="Copy value of new_key")).to_be_visible()


@pytest.mark.parametrize(("path", "box"), [("/", "#filter"), ("/t/{}/", "#key-filter")])
def test_what_is_being_typed_into_a_filter_stays(page: Page, path: str, box: str) -> None:
    for number in range(6):
        put(f"key_{number}", number)
    page.goto(path.format(id_of()))
    page.locator(box).fill("conf")
    put("progress", {"current": 42, "total": 100, "unit": "rows"})
    expect(page.locator("#big, .pct").first).to_contain_text("42", timeout=WITHIN)
    expect(page.locator(box)).to_have_value("conf")


def test_an_end_that_should_have_come_comes_now(page: Page) -> None:
    page.goto("/")
    page.evaluate(
        """() => {
          const time = document.querySelector("time[data-relative]").cloneNode();
          time.id = "late";
          time.dateTime = "2020-01-01T00:00:00Z";
          time.dataset.relative = "ahead";
          document.body.append(time);
        }"""
    )
    expect(page.locator("#late")).to_have_text("now", timeout=WITHIN)


def test_a_pause_holds_the_page_still(page: Page) -> None:
    page.goto("/")
    page.keyboard.press("p")
    expect(page.locator("#live-pill")).to_contain_text("Paused")
    page.wait_for_timeout(1_200)
    put("progress", {"current": 42, "total": 100})
    page.wait_for_timeout(2_000)
    expect(page.locator(f"#t-{id_of()}")).to_contain_text("10 %")
    page.keyboard.press("p")
    expect(page.locator(f"#t-{id_of()}")).to_contain_text("42 %", timeout=WITHIN)


# Lets a test skip some time, and tells for how long the page's timers wait.
SKIPPING = """
  window.skip = 0; window.waits = [];
  const now = Date.now, timer = window.setTimeout;
  Date.now = () => now() + window.skip;
  window.setTimeout = (call, wait, ...rest) => {
    window.waits.push(wait);
    return timer(call, wait, ...rest);
  };
"""


def test_it_asks_less_often_while_all_is_quiet(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    # Else the writes of the tests before leave its minute now and then, which moves the page.
    monkeypatch.setattr("dashboard.live.meter.per_minute", lambda: None)

    # The next look is over in 300 ms, says the server.
    monkeypatch.setattr("dashboard.polls.watcher.ask_again", lambda: 0.3)

    def waits_for(wait: int) -> None:
        page.evaluate("window.waits = []")
        for _ in range(WITHIN // 100):
            if page.evaluate(f"window.waits.includes({wait})"):
                return
            page.wait_for_timeout(100)
        pytest.fail(f"the page never waited for {wait} ms")

    page.add_init_script(SKIPPING)
    page.goto("/")
    waits_for(300)
    page.evaluate("window.skip = 31_000")
    waits_for(900)
    page.keyboard.press("Shift")
    waits_for(300)
    page.evaluate("window.skip = 200_000")
    waits_for(900)
    put("progress", {"current": 42, "total": 100})
    expect(page.locator(f"#t-{id_of()}")).to_contain_text("42 %", timeout=WITHIN)
    waits_for(300)


def test_a_lost_connection_is_told_and_the_values_stay(page: Page, complaints: list[str]) -> None:
    page.goto("/")
    page.context.set_offline(True)
    expect(page.locator("#offline")).to_contain_text("Live updates lost", timeout=WITHIN)
    expect(page.locator(f"#t-{id_of()}")).to_contain_text("10 %")
    put("progress", {"current": 42, "total": 100})
    page.context.set_offline(False)
    expect(page.locator(f"#t-{id_of()}")).to_contain_text("42 %", timeout=WITHIN)
    expect(page.locator("#offline")).to_be_hidden()
    assert [said for said in complaints if not EXPECTED.search(said)] == []
    complaints.clear()


def test_a_server_that_cannot_look_is_not_live(page: Page) -> None:
    page.add_init_script(SKIPPING)
    page.goto("/")
    busy = {"Statestore-Busy": "1", "Statestore-Ask-Again": "300"}
    page.route("**/fragments/**", lambda route: route.fulfill(status=204, headers=busy))
    with page.expect_response("**/fragments/**"):
        pass
    strip, word = page.locator("#offline"), page.locator("#live-pill [data-word]")
    expect(strip).to_be_hidden()
    page.keyboard.press("p")
    page.evaluate("window.skip = 11_000")
    page.wait_for_timeout(1_000)
    expect(word).to_have_text("Paused")
    page.keyboard.press("p")
    expect(strip).to_be_hidden()  # it is asked only from now on
    page.evaluate("window.skip = 22_000")
    expect(strip).to_contain_text("Live updates lost", timeout=WITHIN)
    for _ in range(2):
        with page.expect_response("**/fragments/**"):
            pass
    page.wait_for_timeout(600)
    expect(strip).to_be_visible()
    expect(word).to_have_text("Offline")
    page.unroute("**/fragments/**")
    expect(strip).to_be_hidden(timeout=WITHIN)
    expect(word).to_have_text("Live")


def test_a_connection_that_swallows_all_is_soon_told(page: Page) -> None:
    page.add_init_script(SKIPPING)
    page.goto("/")
    page.route("**/fragments/**", lambda route: None)
    with page.expect_request("**/fragments/**"):
        pass
    page.evaluate("window.skip = 5_000")
    expect(page.locator("#offline")).to_contain_text("Live updates lost", timeout=3_000)


def test_an_open_page_counts_possible_secrets(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    page.goto("/")
    pill = page.locator("a.secret-pill")
    expect(pill).to_have_count(0)
    for number, words in ((1, "Possible secret in 1 key"), (2, "Possible secret in 2 keys")):
        put(f"login_{number}", {"password": "swordfish"})
        services.scan_secrets()
        expect(pill).to_have_text(words, timeout=WITHIN)
    monkeypatch.setattr("statestore.queries.findings.COUNTED", 1)
    many = "Possible secret in 1+ keys"
    expect(pill).to_have_text(many, timeout=WITHIN)
    page.reload()
    expect(pill).to_have_text(many)
    for number in (1, 2):
        services.entry_delete(scope=SCOPE, key=f"login_{number}", writer=Writer("token worker"))
    expect(pill).to_have_count(0, timeout=WITHIN)


def test_an_ended_session_is_told(
    page: Page, complaints: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "STATESTORE_TOKEN_CACHE_SECONDS", 1)
    page.goto("/?state=running")
    Session.objects.all().delete()
    strip = page.locator("#offline")
    expect(strip).to_contain_text("You are signed out", timeout=WITHIN)
    expect(page.locator(f"#t-{id_of()}")).to_contain_text("10 %")
    link = strip.get_by_role("link", name="Sign in again")
    expect(link).to_have_attribute("href", "/login/?next=%2F%3Fstate%3Drunning")
    assert [said for said in complaints if not EXPECTED.search(said)] == []
    complaints.clear()


def test_rows_keep_their_places_under_the_pointer(page: Page) -> None:
    put("progress", {"current": 1, "total": 100}, OTHER)
    page.goto("/")
    rows = page.locator("table.grid tr[id]")
    order = rows.evaluate_all("rows => rows.map(row => row.id)")
    rows.last.hover()
    put("progress", {"status": "failed", "current": 10, "total": 100})
    expect(page.locator(f"#t-{id_of(SCOPE)}")).to_contain_text("Failed", timeout=WITHIN)
    assert rows.evaluate_all("rows => rows.map(row => row.id)") == order
    page.mouse.move(0, 0)
    expect(rows.first).to_contain_text("Failed", timeout=WITHIN)


TOP = "row => Math.round(row.getBoundingClientRect().top)"


def test_no_row_moves_while_another_comes_recovers_or_fails(page: Page) -> None:
    """Headings stay as they are too, and the line that nothing is running."""
    for scope in (SCOPE, OTHER):
        put("progress", {"status": "succeeded", "current": 1}, scope)
    page.goto("/")
    expect(page.locator(".still")).to_be_visible()
    here, first = page.locator(f"#t-{id_of()}"), page.locator(f"#t-{id_of(OTHER)}")
    here.hover()
    top, above = here.evaluate(TOP), first.evaluate(TOP)
    assert above < top
    for status in ("failed", "running", "failed", "succeeded"):
        new = TaskScope("sales", "run-1", f"new {status}")
        put("progress", {"current": 1}, new)
        put("progress", {"status": status, "current": 1}, OTHER)
        word = {"succeeded": "Done"}.get(status, status.capitalize())
        expect(first.locator(".td-state")).to_contain_text(word, timeout=WITHIN)
        expect(page.locator(f"#t-{id_of(new)}")).to_be_visible(timeout=WITHIN)
        assert (first.evaluate(TOP), here.evaluate(TOP)) == (above, top), status
    page.mouse.move(0, 0)
    expect(page.locator("#rows-running tr[id]")).to_have_count(3, timeout=WITHIN)


def test_what_fails_goes_to_those_that_need_attention_and_is_told(page: Page) -> None:
    put("progress", {"status": "failed", "current": 1}, OTHER)
    for number in range(30):
        put("progress", {"current": 1}, TaskScope("sales", "run-1", f"running {number}"))
    page.goto("/")
    here, came = page.locator("#rows-running tr[id]").nth(8), page.locator(".came")
    here.hover()
    row = page.locator(f"#{here.get_attribute('id')}")
    top = row.evaluate(TOP)
    new = [TaskScope("sales", "run-1", f"new {status}") for status in ("failed", "running")]
    put("progress", {"status": "failed", "current": 1}, new[0])
    put("progress", {"current": 1}, new[1])
    expect(came).to_have_text("2 new, 1 failed", timeout=WITHIN)
    expect(page.locator("#rows-urgent tr[id]").last).to_contain_text("new failed")
    expect(page.locator("#rows-running tr[id]").last).to_contain_text("new running")
    assert row.evaluate(TOP) == top
    page.mouse.move(0, 0)
    expect(page.locator("#rows-urgent tr[id]").first).to_contain_text("new failed", timeout=WITHIN)
    expect(came).to_have_count(0)


def test_the_page_stays_where_it_is_when_the_row_under_the_pointer_leaves(page: Page) -> None:
    tasks = [TaskScope("sales", "run-1", f"running {number}") for number in range(40)]
    for scope in tasks:
        put("progress", {"current": 1}, scope)
    page.goto("/?state=running")
    page.mouse.wheel(0, 300)
    page.wait_for_function("scrollY === 300")
    here = page.locator(f"#t-{id_of(tasks[20])}")
    here.scroll_into_view_if_needed()
    here.hover()
    place = page.evaluate("scrollY")
    put("progress", {"status": "done", "current": 1}, tasks[20])
    expect(here).to_have_count(0, timeout=WITHIN)
    assert page.evaluate("scrollY") == place


def test_a_pointer_that_rests_holds_the_rows_for_a_while_alone(page: Page) -> None:
    put("progress", {"current": 1, "total": 100}, OTHER)
    page.add_init_script(SKIPPING)
    page.goto("/")
    rows = page.locator("table.grid tr[id]")
    rows.first.hover()
    here = page.locator(f"#t-{id_of()}")
    put("progress", {"status": "failed", "current": 10, "total": 100})
    expect(here).to_contain_text("Failed", timeout=WITHIN)
    expect(page.locator("#rows-urgent")).to_have_count(0)
    page.evaluate("window.skip = 9_900")
    expect(page.locator("#rows-urgent")).to_contain_text("ingest", timeout=WITHIN)
    assert page.locator("table.grid").evaluate("table => table.matches(':hover')")


def test_a_finger_holds_no_rows(page: Page, browser: Browser, live_server: LiveServer) -> None:
    put("progress", {"current": 1, "total": 100}, OTHER)
    phone = browser.new_context(
        base_url=live_server.url, viewport={"width": 390, "height": 844}, has_touch=True,
        is_mobile=True, storage_state=page.context.storage_state(),
    )  # fmt: skip
    touched = phone.new_page()
    touched.goto("/")
    touched.locator("#rows-running .sec").tap()
    assert touched.locator("table.grid").evaluate("table => table.matches(':hover')")
    put("progress", {"status": "failed", "current": 10, "total": 100})
    expect(touched.locator("#rows-urgent")).to_contain_text("ingest", timeout=WITHIN)
    phone.close()


def test_a_group_that_empties_keeps_its_place(page: Page) -> None:
    put("progress", {"status": "failed", "current": 1}, OTHER)
    page.goto("/")
    here, urgent = page.locator(f"#t-{id_of()}"), page.locator(f"#t-{id_of(OTHER)}")
    here.hover()
    top = here.evaluate(TOP)
    put("progress", {"status": "running", "current": 1}, OTHER)
    expect(urgent).to_contain_text("Running", timeout=WITHIN)
    assert here.evaluate(TOP) == top
    assert urgent.evaluate(TOP) < top


def test_keys_keep_their_places_under_the_pointer(page: Page) -> None:
    page.goto(f"/t/{id_of()}/")
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="config", exact=True))
    row.hover()
    top = row.evaluate(TOP)
    put("a first one", 1)
    expect(page.get_by_role("rowheader", name="a first one")).to_be_visible(timeout=WITHIN)
    assert row.evaluate(TOP) == top
    page.mouse.move(0, 0)
    expect(page.locator(".ktable tbody tr").first).to_contain_text("a first", timeout=WITHIN)


def test_shortcuts(page: Page) -> None:
    page.goto("/")
    page.keyboard.press("/")
    expect(page.locator("#search")).to_be_focused()
    page.keyboard.type("dag:hr")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No task matches these filters")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    for theme in ("light", "dark"):
        page.keyboard.press("t")
        expect(page.locator("html")).to_have_attribute("data-theme", theme)
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_shortcuts_of_a_single_key_can_be_turned_off(page: Page) -> None:
    page.goto("/")
    box, slash = page.get_by_label("Single-key shortcuts"), page.locator(".gsearch kbd")
    page.keyboard.press("?")
    expect(page.get_by_role("button", name="Close")).to_be_focused()
    box.uncheck()
    expect(slash).to_be_hidden()
    page.keyboard.press("Escape")
    page.reload()
    expect(slash).to_be_hidden()
    for key in "p/?tj":
        page.keyboard.press(key)
    expect(page.locator("#live-pill")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("body")).to_be_focused()
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert page.locator("html").get_attribute("data-theme") is None
    page.get_by_label("Account of vera").click()
    page.get_by_role("button", name="Keyboard shortcuts").click()
    expect(box).not_to_be_checked()
    box.check()
    page.keyboard.press("Escape")
    expect(page.locator("body")).to_be_focused()
    page.keyboard.press("/")
    expect(page.locator("#search")).to_be_focused()
    expect(slash).to_be_visible()


def test_rows_are_walked_with_the_keyboard(page: Page) -> None:
    put("progress", {"current": 1}, OTHER)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/?sort=name")
    links = page.locator("tr[id] [data-row]")
    for key, number in (("j", 0), ("j", 1), ("j", 1), ("k", 0)):
        page.keyboard.press(key)
        expect(links.nth(number)).to_be_focused()
    page.keyboard.press("c")
    expect(page.locator("#announce")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "sales/run-1/export"
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"/t/{id_of(OTHER)}/$"))


def test_a_phone_has_its_bar_at_the_bottom(page: Page) -> None:
    page.goto("/")
    bar = page.get_by_role("navigation", name="Main, for phones")
    expect(bar).to_be_hidden()
    page.set_viewport_size({"width": 390, "height": 844})
    expect(bar.get_by_role("link", name="Live")).to_have_attribute("aria-current", "page")
    box = bar.bounding_box()
    assert box is not None
    assert round(box["y"] + box["height"]) == 844


def test_a_phone_says_how_old_its_values_are(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/")
    expect(page.locator("#live-pill [data-age]")).to_be_visible()
    expect(page.locator("#live-pill [data-age]")).to_have_text(re.compile("now|ago"))
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_what_a_finger_touches_on_a_phone_is_large_enough(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"/t/{id_of()}/")
    expect(page.locator("#live-pill")).to_be_visible()
    for name in ("#search", "#live-pill", "[data-copy]:visible"):
        found = page.locator(name)
        boxes = [item.bounding_box() for item in found.all()]
        assert boxes
        assert min(box["height"] for box in boxes if box) >= 44, name


def test_states_and_progress_are_seen_in_forced_colours(page: Page) -> None:
    for index, status in enumerate(("running", "failed")):
        put("progress", {"status": status, "current": 1, "total": 2}, SCOPE.at(index))
    page.emulate_media(forced_colors="active")

    def style(name: str, word: str) -> str:
        return str(page.locator(name).first.evaluate(f"e => getComputedStyle(e).{word}"))

    page.goto(f"/runs/{id_of()}/")
    assert style(".cell", "borderTopStyle") == "dashed"
    assert style(".cell.bad", "backgroundColor") != style(".cell.run", "backgroundColor")
    page.goto(f"/t/{id_of()}/")
    assert style("progress", "borderTopStyle") == "solid"
    assert style("progress", "color") != style("progress", "backgroundColor")


@pytest.mark.parametrize("forced_colors", ["none", "active"])
def test_map_indices_differ_by_more_than_colour(
    page: Page, forced_colors: Literal["none", "active"]
) -> None:
    page.emulate_media(forced_colors=forced_colors)
    for index, status in enumerate(("running", "running", "failed", "done")):
        put("progress", {"status": status}, SCOPE.at(index))
    put("config", 1, SCOPE.at(4))
    silence(SCOPE.at(1), minutes=10)
    page.goto(f"/runs/{id_of()}/")
    shapes = page.locator("li > .cell").evaluate_all(
        """cells => cells.map(cell => {
          const { borderTopStyle, borderTopWidth, borderTopColor } = getComputedStyle(cell);
          const seen = !["rgba(0, 0, 0, 0)", "rgb(255, 255, 255)"].includes(borderTopColor);
          return `${borderTopStyle} ${borderTopWidth} ${seen}`;
        })"""
    )
    assert len(shapes) == len(set(shapes)) == 5
    expect(page.locator(".legend .cell")).to_have_count(5)


def test_pages_work_without_javascript(
    page: Page, browser: Browser, live_server: LiveServer
) -> None:
    with without_scripts(browser, page, live_server.url) as plain:
        plain.goto("/")
        expect(plain.locator(f"#t-{id_of()}")).to_contain_text("10 %")
        expect(plain.get_by_role("link", name="Reload")).to_be_visible()
        assert plain.locator("[data-copy]:visible, #live-pill:visible").count() == 0
        plain.get_by_role("link", name="ingest").first.click()
        expect(plain.locator("#big")).to_have_text("10")
        plain.locator("details.fold summary").click()
        expect(plain.locator("details.fold pre")).to_be_visible()


def test_a_person_signs_in_and_out(
    browser: Browser, live_server: LiveServer, viewer: object
) -> None:
    context = browser.new_context(base_url=live_server.url)
    page = context.new_page()
    page.goto("/?state=running")
    page.get_by_label("User name").fill("vera")
    page.get_by_label("Password").fill("vera-likes-long-ones")
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile(r"/\?state=running$"))
    page.get_by_label("Account of vera").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile(re.escape(settings.LOGIN_URL)))
    context.close()
