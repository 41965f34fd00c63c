"""Polls that are answered from memory: whose they are, and how long that is believed."""

import gzip
from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.contrib.sessions.models import Session
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from dashboard import lookers, polls, secret_count, watch
from statestore import queries, services
from statestore.models import GroupReach
from statestore.queries import Amount, principal_of_user
from tests.dashboard.data import id_of, put

CACHE = 5  # STATESTORE_TOKEN_CACHE_SECONDS


class Clock:
    """The time that lookers are told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Stands still unless a test moves it; pages stay good."""
    clock = Clock()
    for module in ("dashboard.lookers", "dashboard.polls"):
        monkeypatch.setattr(f"{module}.time.monotonic", clock)
    monkeypatch.setattr(watch, "FRESH", 3600)
    return clock


@pytest.fixture
def poll(viewing: Client, clock: Clock) -> Callable[[], int]:
    """A poll of Live that finds nothing new: its status."""
    put("progress", {"current": 1})
    cursor = viewing.get("/").context["page"].cursor
    return lambda: viewing.get("/fragments/live/", {"cursor": cursor}).status_code


def pass_time(clock: Clock, check: Callable[[], None], seconds: float) -> None:
    """As the watcher does: look after all who look on, again and again."""
    until = clock.now + seconds
    while clock.now < until:
        clock.now += 1
        check()


def test_who_is_unchanged_is_not_looked_up_again(
    poll: Callable[[], int], clock: Clock, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    check = lookers._Check()
    check()
    assert poll() == 204  # the whole way: nobody was known before the first check
    for _ in range(5):
        pass_time(clock, check, CACHE)
        with django_assert_num_queries(0):
            assert poll() == 204
    pass_time(clock, check, lookers.LOOK_UP_AGAIN)
    assert poll() == 204


def _loses_the_right(user: User) -> None:
    user.user_permissions.clear()


def _is_locked(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def _gets_a_password(user: User) -> None:
    user.set_password("another-long-one")
    user.save()


def _session_ends(user: User) -> None:
    Session.objects.all().delete()


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (_loses_the_right, 403),
        (_is_locked, 401),
        (_gets_a_password, 401),
        (_session_ends, 401),
    ],
)
def test_a_change_ends_the_polls_in_seconds(
    poll: Callable[[], int],
    clock: Clock,
    viewer: User,
    change: Callable[[User], None],
    status: int,
) -> None:
    check = lookers._Check()
    check()
    assert poll() == 204
    pass_time(clock, check, CACHE)
    change(viewer)
    pass_time(clock, check, CACHE)
    assert poll() == status


def test_a_right_that_came_and_went_between_two_checks_is_withdrawn(
    poll: Callable[[], int], clock: Clock, viewer: User
) -> None:
    view = viewer.user_permissions.get()
    viewer.user_permissions.clear()
    check = lookers._Check()
    check()
    clock.now += 1
    viewer.user_permissions.add(view)
    assert poll() == 204
    viewer.user_permissions.clear()
    pass_time(clock, check, CACHE)
    assert poll() == 403


@pytest.mark.parametrize(
    "roles", [{}, {"is_active": False}, {"is_staff": True, "is_superuser": True}]
)
def test_an_account_is_read_as_it_was_when_its_owner_was_looked_up(
    viewer: User, roles: dict[str, bool]
) -> None:
    """Else everybody would be looked up all the time."""
    User.objects.filter(pk=viewer.pk).update(**roles)
    viewer.refresh_from_db()
    browser = Client()
    browser.force_login(viewer)
    session = str(browser.session.session_key)
    asked = [(session, viewer.pk), ("somebody's", viewer.pk)]
    assert queries.standing_of(asked) == {session: queries.account_of(viewer)}


def test_who_joins_the_staff_is_looked_up_again(
    poll: Callable[[], int], clock: Clock, viewer: User
) -> None:
    """The page that they look at has links for it."""
    check = lookers._Check()
    check()
    poll()
    User.objects.filter(pk=viewer.pk).update(is_staff=True)
    clock.now += CACHE
    check()
    assert not lookers._known


def test_who_is_looked_up_just_before_a_change_that_a_check_reads_is_looked_up_again(
    poll: Callable[[], int], clock: Clock, viewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Client()
    other.force_login(User.objects.create_superuser("other"))
    other.get("/")  # somebody whom the check looks after
    poll()
    lookers._known.pop(next(reversed(lookers._known)))
    mark = queries.rights_mark

    def changed() -> object:
        clock.now += 0.01
        assert poll() == 204
        viewer.user_permissions.clear()
        clock.now += 0.01
        return mark()

    check = lookers._Check()
    check()
    clock.now += CACHE
    monkeypatch.setattr(queries, "rights_mark", changed)
    check()
    monkeypatch.setattr(queries, "rights_mark", mark)
    pass_time(clock, check, CACHE)
    assert poll() == 403


def test_what_a_group_reaches_is_believed_for_seconds(
    viewing: Client, clock: Clock, viewer: User
) -> None:
    group = Group.objects.create(name="sales")
    group.permissions.add(Permission.objects.get(codename="view_entry"))
    GroupReach.objects.create(group=group, dag_patterns="sales*", asset_patterns="")
    viewer.user_permissions.clear()
    viewer.groups.add(group)
    put("progress", {"current": 1})
    check = lookers._Check()
    check()

    def shows_it() -> bool:
        return f"t-{id_of()}" in viewing.get("/fragments/live/", {"cursor": "old"}).content.decode()

    assert shows_it()
    GroupReach.objects.update(dag_patterns="hr*")
    pass_time(clock, check, CACHE)
    assert not shows_it()


def test_without_a_watcher_everybody_is_looked_up_again(
    poll: Callable[[], int], clock: Clock, viewer: User
) -> None:
    assert poll() == 204
    viewer.user_permissions.clear()
    assert poll() == 204
    clock.now += CACHE + 1
    assert poll() == 403


def test_the_others_are_known_when_somebody_logs_in_or_out(
    poll: Callable[[], int], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    other = Client()
    assert poll() == 204
    for act in (lambda: other.force_login(User.objects.create_user("other")), other.logout):
        act()
        with django_assert_num_queries(0):
            assert poll() == 204


def test_what_nobody_polls_any_longer_is_forgotten(
    viewing: Client, poll: Callable[[], int], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polls, "_polls", {})
    assert poll() == 204
    viewing.get("/fragments/runs/")
    assert len(polls._polls) == 2
    clock.now += watch.ASKED - 1
    poll()
    clock.now += 2
    for look_after in watch.watcher.beside:
        look_after()
    assert [path for path, *_ in polls._polls] == ["/fragments/live/"]
    assert poll() == 204
    assert lookers._known
    clock.now += watch.ASKED + 1
    for look_after in watch.watcher.beside:
        look_after()
    assert not polls._polls
    assert not lookers._known


def test_of_one_poll_too_many_the_older_half_is_forgotten(
    viewing: Client, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polls, "_polls", {})
    monkeypatch.setattr(polls, "_KNOWN_MAX", 4)
    for number in range(1, 6):
        viewing.get("/fragments/live/", {"q": str(number)})
    assert [asked[1] for asked in polls._polls] == ["q=3", "q=4", "q=5"]


def test_an_answer_is_compressed_for_who_takes_it_so(viewing: Client, clock: Clock) -> None:
    put("progress", {"current": 1})
    for _ in range(2):  # the whole way, and from memory
        plain = viewing.get("/fragments/live/", {"cursor": "old"})
        packed = viewing.get("/fragments/live/?cursor=old", headers={"Accept-Encoding": "gzip"})
        assert "Content-Encoding" not in plain
        assert packed["Content-Encoding"] == "gzip"
        assert gzip.decompress(packed.content) == plain.content
        for answer in (plain, packed):
            assert int(answer["Content-Length"]) == len(answer.content)
            assert "Accept-Encoding" in answer["Vary"]
            assert "script-src 'self'" in answer["Content-Security-Policy"]
            assert answer["X-Frame-Options"] == "DENY"


def test_nobody_gets_what_another_is_shown(viewing: Client, clock: Clock) -> None:
    put("progress", {"current": 1})
    assert viewing.get("/fragments/live/", {"cursor": "old"}).status_code == 200
    assert Client().get("/fragments/live/", {"cursor": "old"}).status_code == 401
    powerless = User.objects.create_user("nobody")
    other = Client()
    other.force_login(powerless)
    assert other.get("/fragments/live/", {"cursor": "old"}).status_code == 403


def test_who_polls_while_another_is_looked_up_is_told_to_come_again(
    viewing: Client, clock: Clock
) -> None:
    """It says nothing of the page, also not that this is unchanged, and takes no thread."""
    with polls._whole_way:
        answer = viewing.get("/fragments/live/")
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["Statestore-Busy"] == "1"
    assert 0 < int(answer.headers["Statestore-Ask-Again"]) < 2000
    later = viewing.get("/fragments/live/")
    assert later.status_code == 200
    assert "Statestore-Busy" not in later.headers


def test_nobody_is_told_that_a_page_is_unchanged_which_cannot_be_read(
    viewing: Client, poll: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database accepts, and says nothing: one poll waits for it, the others learn that it does."""
    assert poll() == 204
    (watched,) = watch.watcher._watched.values()
    assert watched.drawn is not None
    cursor = watched.drawn.page.cursor
    watched.good_until = 0.0
    with watched.lock:
        for shown in (cursor, "old"):
            answer = viewing.get("/fragments/live/", {"cursor": shown})
            assert (answer.status_code, answer.content) == (204, b"")
            assert answer.headers["Statestore-Busy"] == "1"
    monkeypatch.setattr(watched, "good_until", float("inf"))
    assert "Statestore-Busy" not in viewing.get("/fragments/live/", {"cursor": cursor}).headers


def test_what_polls_fetch_is_counted(viewing: Client, poll: Callable[[], int]) -> None:
    poll()
    viewing.get("/fragments/live/", {"cursor": "old"})  # the whole way: it was not drawn yet
    before = watch.watcher.fetched
    assert poll() == 204
    assert watch.watcher.fetched == before
    assert viewing.get("/fragments/live/", {"cursor": "old"}).status_code == 200
    assert watch.watcher.fetched == before + 1


def test_a_poll_tells_from_memory_how_many_keys_hold_a_secret(
    viewing: Client, poll: Callable[[], int], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    asked = {"cursor": viewing.get("/").context["page"].cursor}
    told = lambda: viewing.get("/fragments/live/", asked).headers.get("Statestore-Secrets")  # noqa: E731
    assert told() == "0"  # the whole way
    put("config", {"password": "swordfish"})
    services.scan_secrets()
    secret_count.forget_counts()
    with django_assert_num_queries(0):
        assert told() is None
    secret_count._recount()
    with django_assert_num_queries(0):
        assert told() == "1"


def test_the_first_finding_stays_told_though_there_was_none_a_moment_ago(
    viewing: Client, viewer: User
) -> None:
    assert secret_count.count_for(viewer) == Amount(0)  # whoever asks: there is none at all
    put("config", {"password": "swordfish"})
    services.scan_secrets()
    assert "Possible secret in 1 key<" in viewing.get("/").content.decode()
    known = principal_of_user(viewer)
    assert secret_count.count_from_memory(known, secret_count.reach_of(known)) == Amount(1)


def test_a_count_that_stopped_says_so_on_the_page_and_to_polls(
    viewing: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("statestore.queries.findings._COUNTED_AT", 1)
    for key in ("a", "b"):
        put(key, {"password": "swordfish"})
    services.scan_secrets()
    assert "Possible secret in 1+ keys<" in viewing.get("/").content.decode()
    assert viewing.get("/fragments/live/").headers["Statestore-Secrets"] == "1+"
