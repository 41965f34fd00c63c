"""The pages in a real Chromium, before a real server that pushes what changes."""

import re
import time
import uuid
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, Request, Route, expect

from statestore.protocol import TaskScope
from tests.api.conftest import task_path
from tests.dashboard.conftest import open_page
from tests.server import Server, database_for, environment_for
from tests.viewers import Viewer, new_viewers

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WITHIN = 15_000  # ms, on a busy machine
FRAGMENTS = "**/fragments/**"
# What a browser and htmx say of a request or a stream that failed.
EXPECTED = re.compile("net::ERR_|401|403|^htmx:|Response Status Error Code")

# Lets a test skip some time, and see the streams of a page.
WATCHING = """
  window.skip = 0; window.streams = [];
  const now = Date.now;
  Date.now = () => now() + window.skip;
  window.EventSource = class extends EventSource {
    constructor(...all) { super(...all); window.streams.push(this); }
  };
"""
OPEN = "streams.filter(({ readyState }) => readyState === EventSource.OPEN).length"
HELD = "streams.filter(({ readyState }) => readyState !== EventSource.CLOSED).length"

ASKS_FOR_MORE = """
  new URL(streams[0].url).searchParams.get("cursor") === document.querySelector("#live-body").dataset.cursor
"""

_WITHDRAW = """
from django.contrib.auth.models import User
User.objects.get(username="{name}").user_permissions.clear()
"""
_SCAN = "from statestore import services; services.scan_secrets()"


@pytest.fixture(scope="module")
def pushing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that pushes, for all tests here: use run ids of your own (`scope`)."""
    directory = tmp_path_factory.mktemp("pushing")
    with database_for(f"test_statestore_{uuid.uuid4().hex[:12]}", directory) as url:
        environment = {**environment_for(directory, url), "STATESTORE_TOKEN_CACHE_SECONDS": "1"}
        server = Server(environment, directory / "server.log", interface="asginl")
        server.manage("collectstatic", "--no-input", "--verbosity", "0")
        try:
            yield server
        finally:
            server.stop()


def _shell(server: Server, script: str) -> str:
    return server.manage("shell", "--verbosity", "0", "--command", script).strip()


@pytest.fixture(scope="module")
def people(pushing: Server) -> list[Viewer]:
    """One for each test."""
    return new_viewers(pushing, 40)


@pytest.fixture
def person(people: list[Viewer]) -> Viewer:
    """The viewer whose page it is."""
    return people.pop()


@pytest.fixture
def page(
    pushing: Server, person: Viewer, browser: Browser, complaints: list[str]
) -> Iterator[Page]:
    """As elsewhere, of the server that pushes."""
    pushing.start()
    with open_page(browser, pushing.url, person.session, complaints) as page:
        page.add_init_script(WATCHING)
        yield page


Put = Callable[..., None]


@pytest.fixture
def put(pushing: Server, scope: TaskScope) -> Iterator[Put]:
    """Writes a key as a worker does."""
    with httpx.Client(headers={"Authorization": f"Bearer {pushing.token}"}) as worker:

        def write(key: str, value: Any, task: str = scope.task_id) -> None:
            of = TaskScope(scope.dag_id, scope.run_id, task)
            url = pushing.url + task_path(of, f"state-store/{key}")
            assert worker.put(url, json={"value": value}).status_code == 204

        yield write


@pytest.fixture
def polls(page: Page) -> list[str]:
    """The addresses that the page has polled."""
    found: list[str] = []

    def note(request: Request) -> None:
        if "/fragments/" in request.url and request.resource_type != "eventsource":
            found.append(request.url)

    page.on("request", note)
    return found


def look_on(page: Page, scope: TaskScope) -> None:
    """Open Live with the tasks of a run, and wait until it is pushed."""
    page.goto(f"/?q=run:{scope.run_id}")
    page.wait_for_function(f"() => {OPEN} === 1")


def test_a_put_is_pushed_within_two_seconds_and_nothing_is_polled(
    page: Page, scope: TaskScope, put: Put, polls: list[str]
) -> None:
    put("progress", {"current": 10, "total": 100})
    look_on(page, scope)
    page.evaluate("window.stayed = true")
    assert page.evaluate(ASKS_FOR_MORE)
    row, seen = page.locator("table.grid tr[id]"), []
    box = page.locator("#filter")
    box.fill("what is being typed")
    for percent in range(31, 36):
        page.wait_for_timeout(100 * (percent % 7))  # not in step with the server
        put("progress", {"current": percent, "total": 100})
        written = time.monotonic()
        expect(row).to_contain_text(f"{percent} %", timeout=WITHIN)
        seen.append(time.monotonic() - written)
        expect(row.locator(".changed")).to_have_count(1)
    expect(row.locator(".changed")).to_have_count(0, timeout=WITHIN)
    expect(box).to_have_value("what is being typed")
    page.wait_for_timeout(3_000)
    expect(page.locator("#live-pill [data-age]")).to_have_text(re.compile("now|[123] s ago"))
    assert median(seen) <= 2, seen
    assert page.evaluate("window.stayed && streams.length") == 1
    assert polls == []


def test_rows_keep_their_places_under_the_pointer_and_are_put_in_order_later(
    page: Page, scope: TaskScope, put: Put, polls: list[str]
) -> None:
    for task in ("first", "second"):
        put("progress", {"current": 1, "total": 100}, task)
    look_on(page, scope)
    rows = page.locator("table.grid tr[id]")
    expect(rows.last).to_contain_text("first")
    rows.last.hover()
    put("progress", {"status": "failed", "current": 10, "total": 100}, "first")
    expect(rows.last).to_contain_text("Failed", timeout=WITHIN)
    expect(rows.last).to_contain_text("first")
    put("progress", {"status": "running", "current": 11, "total": 100}, "third")
    expect(rows.last).to_contain_text("third", timeout=WITHIN)
    expect(rows.nth(1)).to_contain_text("first")
    page.mouse.move(0, 0)
    expect(rows.first).to_contain_text("first", timeout=WITHIN)
    expect(page.locator("#rows-urgent tr[id]")).to_have_count(1)
    expect(page.locator(".came")).to_have_count(0)
    assert polls == []


VISIBILITY = """
  hidden => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }
"""
TURNED = """
  away => dispatchEvent(new PageTransitionEvent(away ? "pagehide" : "pageshow", { persisted: true }))
"""


@pytest.mark.parametrize("how", ["hidden", "paused", "left"])
def test_who_looks_away_holds_no_stream(
    page: Page, scope: TaskScope, put: Put, polls: list[str], how: str
) -> None:
    def turn(*, away: bool) -> None:
        if how == "paused":
            page.keyboard.press("p")
        else:
            page.evaluate(VISIBILITY if how == "hidden" else TURNED, away)

    put("progress", {"current": 10, "total": 100})
    look_on(page, scope)
    turn(away=True)
    assert page.evaluate(HELD) == 0
    put("progress", {"current": 42, "total": 100})
    page.wait_for_timeout(2_000)
    row = page.locator("table.grid tr[id]")
    expect(row).to_contain_text("10 %")
    assert page.evaluate("streams.length") == 1
    turn(away=False)
    expect(row).to_contain_text("42 %", timeout=WITHIN)
    assert page.evaluate(HELD) == 1
    assert polls == []


def test_a_killed_server_is_told_and_pushes_again_once_it_is_back(
    page: Page, pushing: Server, scope: TaskScope, put: Put, complaints: list[str]
) -> None:
    put("progress", {"current": 10, "total": 100})
    look_on(page, scope)
    strip, row = page.locator("#offline"), page.locator("table.grid tr[id]")
    pushing.kill()
    expect(strip).to_contain_text("Live updates lost", timeout=3_000)  # sooner than by silence
    expect(page.locator("#live-pill [data-word]")).to_have_text("Offline")
    expect(row).to_contain_text("10 %")
    page.wait_for_timeout(2_500)
    assert page.evaluate("streams.length") == 1  # polls say when it is back
    pushing.start()
    expect(strip).to_be_hidden(timeout=WITHIN)
    page.wait_for_function(f"() => {OPEN} === 1", timeout=WITHIN)
    put("progress", {"current": 42, "total": 100})
    expect(row).to_contain_text("42 %", timeout=WITHIN)
    assert page.evaluate("streams.length") == 2
    assert [said for said in complaints if not EXPECTED.search(said)] == []
    complaints.clear()


def test_a_withdrawn_right_is_told(
    page: Page, pushing: Server, person: Viewer, scope: TaskScope, put: Put, complaints: list[str]
) -> None:
    put("progress", {"current": 10, "total": 100})
    look_on(page, scope)
    _shell(pushing, _WITHDRAW.format(name=person.name))
    strip = page.locator("#offline")
    expect(strip).to_contain_text("may not view task state any more", timeout=WITHIN)
    expect(strip.get_by_role("link", name="Reload")).to_be_visible()
    assert page.evaluate(HELD) == 0
    assert [said for said in complaints if not EXPECTED.search(said)] == []
    complaints.clear()


def test_who_has_signed_out_elsewhere_is_told(
    page: Page, scope: TaskScope, put: Put, complaints: list[str]
) -> None:
    put("progress", {"current": 10, "total": 100})
    look_on(page, scope)
    other = page.context.new_page()
    other.goto("/")
    other.get_by_label("Account of").click()
    other.get_by_role("button", name="Sign out").click()
    strip = page.locator("#offline")
    expect(strip).to_contain_text("You are signed out", timeout=WITHIN)
    expect(strip.get_by_role("link", name="Sign in again")).to_be_visible()
    assert page.evaluate(HELD) == 0
    assert [said for said in complaints if not EXPECTED.search(said)] == []
    complaints.clear()


def test_pages_whose_streams_fail_are_polled_and_try_less_and_less_often(
    page: Page, scope: TaskScope, put: Put, complaints: list[str]
) -> None:
    def refuse(route: Route) -> None:
        if route.request.resource_type == "eventsource":
            route.abort()
        else:
            route.continue_()

    page.route(FRAGMENTS, refuse)
    put("progress", {"current": 10, "total": 100})
    page.goto(f"/?q=run:{scope.run_id}")
    row = page.locator("table.grid tr[id]")
    page.wait_for_function("() => streams.length === 2")  # once more at once, then 5 s later
    put("progress", {"current": 42, "total": 100})
    expect(row).to_contain_text("42 %", timeout=WITHIN)
    expect(page.locator("#offline")).to_be_hidden()
    page.evaluate("skip += 6_500")
    page.wait_for_function("() => streams.length === 3", timeout=WITHIN)
    page.evaluate("skip += 6_500")
    page.wait_for_timeout(2_000)
    assert page.evaluate("streams.length") == 3
    page.unroute(FRAGMENTS)
    page.evaluate("skip += 6_500")
    page.wait_for_function(f"() => {OPEN} === 1", timeout=WITHIN)
    assert [said for said in complaints if not EXPECTED.search(said)] == []
    complaints.clear()


def test_a_stream_that_is_silent_is_given_up(page: Page, scope: TaskScope, put: Put) -> None:
    def swallow(route: Route) -> None:
        if route.request.resource_type != "eventsource":
            route.continue_()

    page.route(FRAGMENTS, swallow)
    put("progress", {"current": 10, "total": 100})
    page.goto(f"/?q=run:{scope.run_id}")
    page.wait_for_function(f"() => {HELD} === 1")
    put("progress", {"current": 42, "total": 100})
    with page.expect_response(FRAGMENTS):
        page.evaluate("skip += 4_100")
    expect(page.locator("table.grid tr[id]")).to_contain_text("42 %", timeout=WITHIN)
    assert page.evaluate("streams[0].readyState === EventSource.CLOSED")


# Streams that say what a test lets them say.
SPOKEN = """
  window.EventSource = class extends EventTarget {
    constructor() { super(); window.streams.push(this); }
    close() { this.closed = true; }
  };
  window.tell = (name, data) => streams.at(-1).dispatchEvent(new MessageEvent(name, { data }));
"""


@pytest.fixture
def spoken(page: Page, scope: TaskScope, put: Put, polls: list[str]) -> Page:
    """Live, with a stream that says what `tell` lets it say."""
    page.add_init_script(SPOKEN)
    put("progress", {"current": 10, "total": 100})
    page.goto(f"/?q=run:{scope.run_id}")
    page.wait_for_function("() => streams.length === 1")
    assert polls == []
    return page


def test_a_server_that_is_busy_is_not_live(spoken: Page, polls: list[str]) -> None:
    strip = spoken.locator("#offline")
    for seconds in (3, 3, 1):
        spoken.evaluate(f"skip += {seconds}_000; tell('busy', '1')")
    spoken.wait_for_timeout(700)
    expect(strip).to_be_hidden()
    spoken.evaluate("skip += 3_900; tell('busy', '1')")
    expect(strip).to_contain_text("Live updates lost")
    spoken.evaluate("tell('same', '1')")
    expect(strip).to_be_hidden()
    assert polls == []


def test_what_cannot_be_put_in_place_is_polled(
    spoken: Page, put: Put, polls: list[str], complaints: list[str]
) -> None:
    put("progress", {"current": 42, "total": 100})
    with spoken.expect_response(FRAGMENTS):
        spoken.evaluate("tell('page', 'no JSON')")
    expect(spoken.locator("table.grid tr[id]")).to_contain_text("42 %")
    assert "is not valid JSON" in complaints.pop()


def test_a_server_that_is_back_and_busy_is_listened_to(spoken: Page, complaints: list[str]) -> None:
    """Its streams stand in a queue, which its polls do not."""
    answers = iter([lambda route: route.abort()])
    busy = {"status": 204, "headers": {"Statestore-Busy": "1", "Statestore-Ask-Again": "300"}}
    spoken.route(FRAGMENTS, lambda route: next(answers, lambda route: route.fulfill(**busy))(route))
    spoken.evaluate("streams[0].onerror()")
    expect(spoken.locator("#offline")).to_contain_text("Live updates lost")
    spoken.wait_for_function("() => streams.length === 2", timeout=WITHIN)
    expect(spoken.locator("#offline")).to_contain_text("Live updates lost")
    spoken.evaluate("tell('same', '1')")
    expect(spoken.locator("#offline")).to_be_hidden()
    complaints.clear()


def test_who_moves_after_a_while_asks_for_nothing_that_is_pushed(
    spoken: Page, polls: list[str]
) -> None:
    spoken.evaluate("skip += 31_000; tell('same', '1')")
    spoken.keyboard.press("Shift")
    spoken.wait_for_timeout(1_000)
    assert polls == []
    assert spoken.evaluate("streams.length") == 1


def test_a_stream_that_ends_is_followed_by_a_poll_and_another_stream(
    spoken: Page, polls: list[str]
) -> None:
    for _ in range(2):  # one that lasted is no failure
        spoken.evaluate("skip += 11_000; tell('same', '1'); streams.length = 1")
        polls.clear()
        spoken.evaluate("tell('ended', '503')")
        assert spoken.evaluate("streams[0].closed")
        spoken.wait_for_function("() => streams.length === 2")
        assert len(polls) == 1


def test_what_a_page_shows_may_vanish_and_come_back(spoken: Page, complaints: list[str]) -> None:
    strip = spoken.locator("#offline")
    spoken.route(FRAGMENTS, lambda route: route.fulfill(status=404))
    spoken.evaluate("tell('ended', '404')")
    expect(strip).to_contain_text("is not there any more", timeout=WITHIN)
    spoken.unroute(FRAGMENTS)
    assert spoken.evaluate("streams.length") == 1
    spoken.wait_for_function("() => streams.length === 2", timeout=WITHIN)
    expect(strip).to_be_hidden()
    assert [said for said in complaints if not EXPECTED.search(said) and "404" not in said] == []
    complaints.clear()


def test_possible_secrets_are_pushed(
    page: Page, pushing: Server, scope: TaskScope, put: Put, polls: list[str]
) -> None:
    put("progress", {"current": 10, "total": 100})
    look_on(page, scope)
    pill = page.locator("a.secret-pill")
    expect(pill).to_have_count(0)
    put("login", {"password": "swordfish"})
    _shell(pushing, _SCAN)
    expect(pill).to_have_text("Possible secret in 1 key", timeout=WITHIN)
    assert polls == []
