"""The watcher: pages are read once for all who look on, and polls answered from memory."""

import gc
import itertools
import re
import sys
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import CodeType, FrameType
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError
from django.template.loader import render_to_string
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from dashboard import watch
from dashboard.watch import Watcher
from statestore import queries, services
from statestore.protocol import TaskScope
from tests.dashboard.data import SCOPE, id_of, put, silence
from tests.storage import expire
from tests.threads import wait_until


@dataclass(frozen=True)
class Read:
    """A page that says how often it was read."""

    cursor: str


class Reader:
    """Counts its readings."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> Read:
        """Read once more."""
        self.count += 1
        return Read(str(self.count))


def test_an_unchanged_poll_asks_no_database_and_writes_no_session(
    viewing: Client,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    monkeypatch.setattr(watch, "FRESH", 60)
    put("progress", {"current": 1})
    for page in ("/", f"/t/{id_of()}/", "/runs/", f"/runs/{id_of()}/", "/retention/"):
        cursor = viewing.get(page).context["page"].cursor
        fragment = "/fragments/live/" if page == "/" else f"/fragments{page}"
        assert viewing.get(fragment, {"cursor": cursor}).status_code == 204
        with django_assert_num_queries(0):
            answer = viewing.get(fragment, {"cursor": cursor})
        assert answer.status_code == 204
        assert not answer.cookies


def test_a_logout_ends_the_polls_at_once(viewing: Client, viewer: User) -> None:
    put("progress", 1)
    cursor = viewing.get("/").context["page"].cursor
    session = viewing.cookies["sessionid"].value
    viewing.post("/logout/")
    viewing.cookies["sessionid"] = session
    assert viewing.get("/fragments/live/", {"cursor": cursor}).status_code == 401


def test_all_who_ask_share_a_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "FRESH", 60)
    watcher, read = Watcher(), Reader()
    watcher.in_background = False
    assert [watcher.page("page", read).cursor for _ in range(3)] == ["1", "1", "1"]
    good = watcher.good("page", "look")
    assert good is not None
    assert good.page.cursor == "1"
    assert watcher.good("other", "look") is None
    watcher.forget()
    assert watcher.page("page", read).cursor == "2"


def test_a_whole_page_has_what_was_just_written(
    viewing: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by another process, which cannot tell this one to forget."""
    monkeypatch.setattr(watch, "FRESH", 60)
    for number in (1, 2):
        put("config", number)
        for path in ("/t/{}/", "/t/{}/k/?key=config"):
            page = viewing.get(path.format(id_of())).context["page"]
            versions = [item.entry.version for item in getattr(page, "entries", [])]
            assert number in (versions or [page.history.entry.version])


def test_who_reads_anew_shares_only_what_was_begun_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "FRESH", 60)
    watcher, read = Watcher(), Reader()
    watcher.in_background = False
    assert [watcher.page("page", read, anew=True).cursor for _ in range(2)] == ["1", "2"]
    assert watcher.page("page", read).cursor == "2"
    watched = watcher._watched["page"]
    watched.read_at = time.monotonic() + 60  # by another, who began while this one waited
    assert watcher.page("page", read, anew=True).cursor == "2"


def test_a_page_makes_room_for_another_while_the_thread_drops_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, "WATCHED_MAX", 2)
    watcher, read = Watcher(), Reader()
    watcher.in_background = False
    watcher.page("second", read)

    class Oldest:
        @property
        def asked(self) -> float:
            watcher._watched.pop("second", None)
            return 0.0

    watcher._watched = {"oldest": Oldest(), **watcher._watched}  # type: ignore[dict-item]
    watcher.page("third", read)
    assert list(watcher._watched) == ["third"]


def test_a_page_that_is_too_old_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "FRESH", 0)
    watcher, read = Watcher(), Reader()
    watcher.in_background = False
    watcher.page("page", read)
    good = watcher.good("page", "look")
    assert good is not None
    assert good.page.cursor == "2"
    with watcher._watched["page"].lock, pytest.raises(watch.BeingReadError):  # another reads it
        watcher.good("page", "look")
    monkeypatch.setattr(watch, "FRESH", 60)
    watcher.good("page", "look")
    with watcher._watched["page"].lock:  # it is good all the same
        good = watcher.good("page", "look")
    assert good is not None
    assert good.page.cursor == "3"


@pytest.mark.django_db(transaction=True)
def test_its_thread_reads_what_has_changed_and_ends_when_nobody_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, "TICK", 0.01)
    monkeypatch.setattr(watch, "AGES", 3600.0)
    watcher, read = Watcher(), Reader()
    try:
        watcher.page("page", read)
        wait_until(lambda: read.count >= 2)
        before = read.count
        put("progress", 1)
        wait_until(lambda: read.count > before)
        assert watcher._thread is not None
        monkeypatch.setattr(watch, "ASKED", 0.0)
        wait_until(lambda: watcher._thread is None)
    finally:
        watcher.stop()


@pytest.mark.django_db(transaction=True)
def test_a_page_of_one_task_is_read_again_when_that_has_changed() -> None:
    other = TaskScope("sales", "run-1", "other")
    put("progress", {"current": 1})
    put("progress", {"current": 1}, other)
    watcher, read = Watcher(), Reader()
    watcher.in_background = False
    watcher.page("page", read, task=id_of())
    watcher._look()
    before = read.count
    put("progress", {"current": 2}, other)
    watcher._look()
    watcher._look()
    assert read.count == before
    changes: list[Callable[[], object]] = [
        lambda: put("progress", {"current": 2}),
        lambda: put("progress", {"status": "failed"}),
        lambda: put("part", 1),
        lambda: expire(SCOPE, "part"),
        lambda: services.entries_clear(scope=SCOPE, writer=services.Writer("token worker")),
        lambda: services.attempt_start(scope=SCOPE),
        lambda: put("progress", {"current": 2}),
        lambda: silence(SCOPE, minutes=60),
    ]
    for change in changes:
        change()
        watcher._look()
        assert read.count == before + 1
        before = read.count


@pytest.mark.django_db(transaction=True)
def test_what_the_database_failed_to_read_is_read_at_the_next_look() -> None:
    put("progress", {"current": 1})
    watcher, read, fails = Watcher(), Reader(), False

    def reads() -> Read:
        if fails:
            raise DatabaseError("away")
        return read()

    watcher.in_background = False
    watcher.page("page", reads, task=id_of())
    watcher._look()
    before, fails = read.count, True
    put("progress", {"current": 2})
    with pytest.raises(DatabaseError):
        watcher._look()
    fails = False
    watcher._look()
    assert read.count == before + 1


@pytest.mark.django_db(transaction=True)
def test_a_page_that_cannot_be_read_is_dropped_and_the_others_are_read_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watch, "TICK", 0.01)
    monkeypatch.setattr(watch, "AGES", 0.01)
    watcher, read, good = Watcher(), Reader(), Reader()

    def breaks() -> Read:
        if read.count:
            raise ValueError("no number")
        return read()

    try:
        watcher.page("broken", breaks)
        watcher.page("good", good)
        wait_until(lambda: "broken" not in watcher._watched)
        before = good.count
        wait_until(lambda: good.count > before)
        assert "no number" in caplog.text
    finally:
        watcher.stop()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.django_db(transaction=True)
def test_a_thread_that_ended_with_an_error_is_followed_by_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails() -> object:
        raise ValueError("no pulse")

    watcher, read = Watcher(), Reader()
    try:
        with monkeypatch.context() as broken:
            broken.setattr(queries, "pulse", fails)
            watcher.page("page", read)
            wait_until(lambda: watcher._thread is None)
        monkeypatch.setattr(watch, "TICK", 0.01)
        before = read.count
        watcher.page("page", read)
        wait_until(lambda: read.count > before)
    finally:
        watcher.stop()


@pytest.mark.django_db(transaction=True)
def test_a_page_for_which_no_look_has_time_is_read_by_one_who_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While others are read too: one at a time, and the others hear nothing that is not so."""
    monkeypatch.setattr(watch, "AT_ONCE", 0)
    tasks = [TaskScope("sales", "run-1", name) for name in ("ingest", "load")]
    watcher, read = Watcher(), Reader()
    watcher.in_background = False
    for task in tasks:
        put("progress", {"current": 1}, task)
        watcher.page(task, read, task=id_of(task))
    watcher._look()
    for task in tasks:
        put("progress", {"current": 2}, task)
    before = read.count
    watcher._look()
    watcher._call_good(60)
    for task in tasks:
        assert watcher.good(task, "look") is not None
    assert read.count == before  # they are left for a few seconds
    monkeypatch.setattr(watch, "LEFT", -1.0)
    watcher._call_good(60)
    with watcher._reading, pytest.raises(watch.BeingReadError):
        watcher.good(tasks[0], "look")
    for task in 2 * tasks:
        assert watcher.good(task, "look") is not None
    assert read.count == before + 2
    watcher._look()
    watcher._call_good(60)
    assert watcher.good(tasks[0], "look") is not None
    assert read.count == before + 2  # they have not changed since


def test_it_draws_what_has_changed_for_those_who_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    watcher, read = Watcher(), Reader()
    watcher.in_background = False
    watcher.page("page", read)
    watcher.draw("page", watcher.page("page", read), "look", lambda page: page.cursor * 2)
    watcher._watched["page"].renew(good_for=60, draw=True)
    good = watcher.good("page", "look")
    assert good is not None
    assert good.shown == {"look": good.page.cursor * 2}
    monkeypatch.setattr(watch, "ASKED", 0.0)  # nobody has asked for long
    assert watcher._watched["page"].renew(good_for=60, draw=True).shown == {}


def test_looks_are_at_the_same_moments_and_fewer_where_they_compute_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1_000 * watch.TICK + 0.05  # the last look, which took so long, was at a moment of all
    monkeypatch.setattr(time, "time", lambda: now)
    moments = lambda *look: round((now + watch.pause_after(*look)) / watch.TICK, 6) - 1_000  # noqa: E731
    assert moments(watch.MUCH, 0.05) == 1
    assert moments(watch.MUCH + 0.001, 0.05) == 2
    assert moments(0.0, 0.5) == 2  # the database is slow
    assert moments(0.0, 60.0) * watch.TICK == pytest.approx(watch.AGES, abs=watch.TICK)


@pytest.mark.django_db(transaction=True)
def test_two_looks_that_cost_much_delay_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([0.1, 0.2, 0.0, 0.3, 0.2, 0.0, 0.0])
    watcher, cost = Watcher(), []

    def pause_after(seconds: float, took: float, *, seldom: float) -> float:
        cost.append(round(seconds / watch.A_PAGE))
        watcher.fetched = 200 if len(cost) in {5, 6} else 0
        return 0.01

    monkeypatch.setattr(watch, "pause_after", pause_after)
    monkeypatch.setattr(Watcher, "_look", lambda watcher: next(looks, 0.0))
    try:
        watcher.page("page", Reader())
        wait_until(lambda: len(cost) >= 7)
    finally:
        watcher.stop()
    assert cost[:7] == [0, 0, 0, 0, 0, 200, 200]


@pytest.mark.django_db(transaction=True)
def test_it_says_when_the_next_look_is_over() -> None:
    watcher = Watcher()
    assert watcher.ask_again() is None
    try:
        watcher.page("page", Reader())
        wait_until(lambda: watcher._next_look > 0)
        seconds = watcher.ask_again()
        assert seconds is not None
        assert 0 < seconds <= 3 * watch.TICK + watch.SOON + watch.SPREAD
    finally:
        watcher.stop()


def test_no_state_of_a_page_is_kept_under_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "FRESH", 60)
    body, traced = Watcher.draw.__code__, sys.gettrace()
    for moment in range(20):  # whenever the page is read again while somebody draws it
        watcher = Watcher()
        watcher.in_background = False
        page = watcher.page("page", Reader())
        renew_at(body, moment, partial(watcher._watched["page"].renew, good_for=60))
        try:
            assert watcher.draw("page", page, "look", lambda _: b"1") == b"1"
        finally:
            sys.settrace(traced)
        good = watcher.good("page", "look")
        assert good is not None
        assert (good.page.cursor, good.shown.get("look")) in {("1", b"1"), ("2", None)}


def renew_at(body: CodeType, moment: int, renew: Callable[[], object]) -> None:
    """Call `renew` before the so-maniest line that runs in a function of this thread."""
    lines = itertools.count()

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        if frame.f_code is not body:
            return None
        if event == "line" and next(lines) == moment:
            renew()
        return trace

    sys.settrace(trace)


def test_who_sees_the_server_under_another_address_gets_that(
    viewing: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "FRESH", 60)
    put("progress", 1)
    for host in ("testserver:81", "testserver:82", "testserver:81"):
        answer = viewing.get(f"/fragments/t/{id_of()}/", HTTP_HOST=host)
        assert re.findall(r"http://(testserver:\d+)/", answer.content.decode())[0] == host


def test_a_fragment_keeps_nothing_of_who_asked_first(viewing: Client) -> None:
    put("progress", 1)
    for path in ("/fragments/live/?q=nothing", f"/fragments/t/{id_of()}/", "/fragments/runs/"):
        asked = weakref.ref(viewing.get(path).wsgi_request)
        assert watch.watcher._watched
        gc.collect()
        assert asked() is None, path


def test_a_fragment_is_drawn_once_for_all_who_have_the_same_rights(
    viewing: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "FRESH", 60)
    drawn: list[str] = []

    def draw(template: str, *args: Any) -> str:
        drawn.append(template)
        return render_to_string(template, *args)

    monkeypatch.setattr("dashboard.answers.render_to_string", draw)

    def look(client: Client) -> str:
        return client.get("/fragments/live/", {"cursor": "old"}).content.decode()

    put("progress", {"current": 1, "total": 2})
    other = Client()
    other.force_login(User.objects.create_superuser("other"))
    seen = [look(viewing), look(other), look(viewing), look(other)]
    assert len(drawn) == 2  # one for those who may clear, one for those who may not
    assert seen[0] == seen[2]
    assert seen[1] == seen[3]
    watch.watcher.forget()
    put("progress", {"current": 2, "total": 2})
    assert look(viewing) != seen[0]
