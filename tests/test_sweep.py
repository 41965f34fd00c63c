"""The sweep deletes what has expired, and nothing that was renewed while it ran."""

import random
import time
from datetime import UTC, datetime, timedelta
from io import StringIO
from threading import Event

import pytest
from django.core.management import call_command
from django.db import transaction

from statestore import queries
from statestore.models import Entry, SweepRun, TaskInstance
from statestore.protocol import NEVER_EXPIRE, Status, TaskScope
from statestore.queries import OVERDUE_COUNTED, left_over
from statestore.services import sweep_expired
from statestore.services.holding import hold
from statestore.services.sweep import _sweep_others
from tests.storage import expire, put, row_of
from tests.threads import all_at_once


@pytest.mark.django_db
def test_it_deletes_expired_entries_of_any_age_and_no_others(scope: TaskScope) -> None:
    for key, ago in {"now": 1, "hour": 3600, "year": 365 * 86400}.items():
        put(scope, key, "1")
        expire(scope, key, ago=timedelta(seconds=ago))
    put(scope, "soon", "1", expiry=timedelta(seconds=30))
    put(scope, "never", "1", expiry=NEVER_EXPIRE)

    assert sweep_expired().deleted == 3

    assert [entry.key for entry in Entry.objects.order_by("key")] == ["never", "soon"]


@pytest.mark.django_db
@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 20, 25])
def test_it_goes_on_until_no_batch_is_full(scope: TaskScope, count: int) -> None:
    for number in range(count):
        put(scope, f"k{number}", "1", expiry=timedelta(microseconds=1))

    run = sweep_expired(batch=10)

    assert (run.deleted, run.overdue, Entry.objects.count()) == (count, 0, 0)


@pytest.mark.django_db
def test_it_stops_when_its_time_is_up_and_says_what_is_left(scope: TaskScope) -> None:
    for number in range(5):
        put(scope, f"k{number}", "1", expiry=timedelta(microseconds=1))

    run = sweep_expired(seconds=0.0)

    assert (run.deleted, Entry.objects.count()) == (0, 5)
    assert run.overdue == 5
    assert str(left_over(run)) == "5"
    run.overdue = OVERDUE_COUNTED
    assert str(left_over(run)) == "100,000+"


@pytest.mark.django_db
def test_the_oldest_go_first(scope: TaskScope) -> None:
    for hours in (5, 1, 9):
        put(scope, f"{hours} hours", "1")
        expire(scope, f"{hours} hours", ago=timedelta(hours=hours))

    next(_sweep_others(2))

    assert [entry.key for entry in Entry.objects.all()] == ["1 hours"]


@pytest.mark.django_db
def test_it_goes_on_from_hour_to_hour(scope: TaskScope) -> None:
    """Where a batch ends within an hour, the next one begins with the rest of that."""
    for hours in (1, 2, 2, 2, 3, 9, 9):
        key = f"{hours} {Entry.objects.count()}"
        put(scope, key, "1")
        expire(scope, key, ago=timedelta(hours=hours))
    put(scope, "progress", "1", expiry=timedelta(microseconds=1))

    assert sweep_expired(batch=2).deleted == 8


@pytest.mark.django_db
def test_each_run_is_recorded_for_a_week(scope: TaskScope) -> None:
    week = SweepRun.objects.create(
        started_at=datetime.now(UTC) - timedelta(days=8), seconds=1, deleted=0, overdue=0
    )
    put(scope, "k", "1", expiry=timedelta(microseconds=1))

    sweep_expired()

    last = queries.last_sweep_of_beat()
    assert last is not None
    assert last.deleted == 1
    assert not SweepRun.objects.filter(pk=week.pk).exists()


@pytest.mark.django_db
def test_sweeps_by_hand_leave_in_place_when_beat_last_swept() -> None:
    before = datetime.now(UTC) - timedelta(days=8)
    for by_hand in (False, True):
        SweepRun.objects.create(started_at=before, seconds=1, deleted=0, overdue=0, by_hand=by_hand)

    call_command("sweep_expired", stdout=StringIO())

    last = queries.last_sweep_of_beat()
    assert last is not None
    assert last.started_at == before
    assert [run.started_at > before for run in SweepRun.objects.filter(by_hand=True)] == [True]


@pytest.mark.django_db
def test_a_swept_progress_leaves_no_status_behind(scope: TaskScope) -> None:
    put(scope, "progress", '{"status": "failed"}', expiry=timedelta(microseconds=1))

    sweep_expired()

    assert TaskInstance.objects.get(scope_digest=scope.digest).status == Status.NONE.value


@pytest.mark.django_db
def test_progress_is_left_to_the_sweep_that_takes_its_status_along(scope: TaskScope) -> None:
    for key in ("page", "progress"):
        put(scope, key, "{}", expiry=timedelta(microseconds=1))

    assert sum(_sweep_others(10)) == 1

    assert [entry.key for entry in Entry.objects.all()] == ["progress"]


@pytest.mark.django_db
def test_the_task_instance_and_its_attempts_stay(scope: TaskScope) -> None:
    put(scope, "k", "1", expiry=timedelta(microseconds=1))

    sweep_expired()

    assert TaskInstance.objects.filter(scope_digest=scope.digest).count() == 1


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("key", ["progress", "page"])
def test_what_a_writer_holds_is_left_and_the_rest_goes(
    scope: TaskScope, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """The sweep waits for nobody, and does not end its work at the first batch with a held one."""
    monkeypatch.setattr("statestore.services.sweep.BATCHES_AT_ONCE", 1)
    for number in range(6):
        put(scope.at(number), key, "{}", expiry=timedelta(microseconds=1))
    expire(scope.at(0), key, ago=timedelta(days=1))  # in every batch, for it is the oldest

    def act(sweeps: bool) -> SweepRun | None:
        if sweeps:
            held.wait(30)
            run = sweep_expired(batch=2)
            swept.set()
            return run
        with transaction.atomic():
            if key == "progress":
                hold(scope.at(0), None)  # as who reports and deletes it does
            else:
                row_of(scope.at(0), key).select_for_update(of=("self",)).get()
            held.set()
            swept.wait(30)
        return None

    held, swept = Event(), Event()
    run, _ = all_at_once(act, [True, False])

    assert run is not None
    assert (run.deleted, run.overdue) == (5, 1)
    assert sweep_expired().deleted == 1


@pytest.mark.django_db(transaction=True)
def test_no_acknowledged_renewal_is_lost_while_the_sweep_runs(scope: TaskScope) -> None:
    """Four writers renew hundreds of expired keys beside two sweepers with small batches.

    A write that returned has made its entry live on, so every key must be there at the end, in the
    version that its last write was told (or, where the sweep came before it, as a new entry).
    """
    keys = [f"k{number}" for number in range(400)]
    for key in keys:
        put(scope, key, '"old"')
    past = datetime.now(UTC) - timedelta(seconds=5)
    Entry.objects.update(expires_at=past, expires_hour=int(past.timestamp() // 3600))
    swept: list[int] = []

    acknowledged: dict[str, int] = {}

    def act(mine: list[str]) -> None:
        random.shuffle(mine)
        for key in mine:
            acknowledged[key] = put(scope, key, '"new"', expiry=timedelta(hours=1))
            time.sleep(0.002)
        while not mine and len(acknowledged) < len(keys):
            swept.append(sweep_expired(batch=3, seconds=0.001).deleted)
            time.sleep(0.005)

    writers: list[list[str]] = [keys[start::4] for start in range(4)]
    all_at_once(act, [*writers, [], []])  # who has no keys to write sweeps

    kept = dict(Entry.objects.filter(value='"new"').values_list("key", "version"))
    assert len(acknowledged) == 400
    assert kept == acknowledged
    renewed = sum(1 for version in acknowledged.values() if version > 1)
    assert renewed + sum(swept) == 400  # each was either renewed in its place, or swept before
    assert sum(swept) > 0
    assert renewed > 0


@pytest.mark.django_db
def test_the_command_sweeps(scope: TaskScope) -> None:
    put(scope, "k", "1", expiry=timedelta(microseconds=1))
    out = StringIO()

    call_command("sweep_expired", stdout=out)

    assert "Deleted 1 expired entry" in out.getvalue()
    assert row_of(scope, "k").count() == 0


@pytest.mark.django_db
def test_the_command_s_dry_run_shows_what_would_go_and_deletes_nothing(scope: TaskScope) -> None:
    put(scope, "old", "1")
    expire(scope, "old", ago=timedelta(hours=2))
    put(scope, "new", "1")
    out = StringIO()

    call_command("sweep_expired", "--dry-run", stdout=out)

    assert f"{scope}  old" in out.getvalue()
    assert "new" not in out.getvalue()
    assert "1 expired entry would be deleted" in out.getvalue()
    assert row_of(scope, "old").count() == 1
    assert SweepRun.objects.count() == 0
