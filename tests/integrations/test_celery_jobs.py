"""ResumableTask and DeferrableTask in real workers: each job is submitted once, whatever happens."""

import os
import signal
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery, chain, chord, group

from statestore.sdk import StateStore
from tests.faults.job_system import JobSystem
from tests.integrations.celery_app import new_app, wait_for
from tests.integrations.workers import Workers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

DEFERRED = int(os.environ.get("STATESTORE_TEST_DEFERRED", "60"))
RACES = int(os.environ.get("STATESTORE_TEST_RACES", "10"))
ALL_BROKERS = pytest.mark.parametrize("workers", ["filesystem", "redis", "rabbitmq"], indirect=True)


def system_of(workers: Workers) -> JobSystem:
    return JobSystem(workers.folder / "system")


def until(condition: Callable[[], bool], workers: Workers, seconds: float = 40) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, (workers.folder / "worker.log").read_text()[-5000:]
        time.sleep(0.05)


@ALL_BROKERS
def test_a_job_is_reconnected_to_after_its_workers_process_was_killed(workers: Workers) -> None:
    workers.start(2)
    workers.send("resumed")
    wait_for(workers.folder / "polling")
    killed = int((workers.folder / "polling").read_text())
    os.kill(killed, signal.SIGKILL)
    until(lambda: (workers.folder / "polling").read_text() not in ("", str(killed)), workers)
    (workers.folder / "go").touch()
    (token,) = system_of(workers).submissions
    job = system_of(workers).find(token)
    assert workers.notes(1) == [f"result of {job} in attempt 2"]


@pytest.mark.parametrize(
    ("workers", "task"), [("redis", "deferred"), ("rabbitmq", "resumed")], indirect=["workers"]
)
def test_a_job_is_reconnected_to_after_its_whole_worker_was_killed(
    workers: Workers, task: str
) -> None:
    first = workers.start(2)
    workers.send(task)
    wait_for(workers.folder / "polling")
    workers.kill(first)
    if workers.url.startswith("redis"):
        time.sleep(5)  # the visibility timeout
    (workers.folder / "go").touch()
    workers.start(2)
    (note, *_) = workers.notes(1)
    (token,) = system_of(workers).submissions
    assert note.startswith(f"result of {system_of(workers).find(token)} in attempt ")


@pytest.mark.timeout(60 + DEFERRED)
def test_many_waiting_jobs_share_two_slots_and_each_is_submitted_once(workers: Workers) -> None:
    workers.start(2)
    with new_app(workers.url, workers.queue, workers.folder) as app:
        for _ in range(DEFERRED):
            app.send_task("deferred")
    begin = time.monotonic()
    system, seconds = system_of(workers), 30 + DEFERRED / 2
    until(lambda: len(system.submissions) >= DEFERRED, workers, seconds)
    waiting = time.monotonic() - begin
    (workers.folder / "go").touch()
    notes = workers.notes(DEFERRED, seconds=seconds)
    print(  # noqa: T201 - figures for whoever looks
        f"{DEFERRED} jobs on 2 slots: all submitted after {waiting:.0f} s,"
        f" all ended after {time.monotonic() - begin:.0f} s"
    )
    assert len(system.submissions) == len(set(system.submissions)) == DEFERRED
    assert len({note.split()[2] for note in notes}) == DEFERRED


@pytest.mark.timeout(120 + RACES)
@pytest.mark.parametrize(
    ("workers", "task"),
    [("filesystem", "process"), ("rabbitmq", "process"), ("redis", "searched")],
    indirect=["workers"],
)
def test_two_workers_with_the_same_message_at_the_same_time_start_one_job(
    workers: Workers, task: str
) -> None:
    (workers.folder / "go").touch()
    for _ in range(2):
        workers.start(2)
    with new_app(workers.url, workers.queue, workers.folder) as app:
        for _ in range(RACES):
            message = str(uuid.uuid4())
            for _ in range(2):
                app.send_task(task, task_id=message)

    def ended() -> int:
        notes = workers.folder / "notes"
        return len(set(notes.read_text().splitlines())) if notes.exists() else 0

    until(lambda: ended() >= RACES, workers, 60 + RACES)
    if task == "process":
        assert len((workers.folder / "started").read_text().splitlines()) == RACES
        assert len(list((workers.folder / "jobs").iterdir())) == RACES
    else:
        submissions = system_of(workers).submissions
        assert len(submissions) == len(set(submissions)) == RACES


@pytest.mark.parametrize("task", ["resumed", "deferred"])
def test_a_task_that_is_revoked_has_its_job_cancelled(workers: Workers, task: str) -> None:
    workers.start(1, control=True)
    scope = workers.send(task)
    wait_for(workers.folder / "polling")
    time.sleep(0.3)  # a deferred one waits for its next delivery now
    workers.revoke(scope.run_id, terminate=True)
    (token,) = system_of(workers).submissions
    assert workers.notes(1) == [f"cancelled {system_of(workers).find(token)}"]
    (workers.folder / "go").touch()
    workers.send(task)  # and the worker's slot is free
    assert workers.notes(2)[1].startswith("result of")


def test_a_job_that_runs_is_looked_after_though_its_message_has_expired(workers: Workers) -> None:
    workers.start(1)
    until(lambda: "ready." in (workers.folder / "worker.log").read_text(), workers)
    workers.send("deferred", expires=6)  # seconds, ample for a worker that waits for it
    wait_for(workers.folder / "polling")
    time.sleep(6)
    (workers.folder / "go").touch()
    assert workers.notes(1)[0].startswith("result of")


@pytest.mark.parametrize("message", [("process",), ("described", "as", "sent")])
def test_a_process_whose_task_is_revoked_is_ended(
    workers: Workers, message: tuple[str, ...]
) -> None:
    workers.start(2, control=True)
    scope = workers.send(*message)
    wait_for(workers.folder / "started")
    with StateStore(workers.server.url, workers.server.token) as store:
        task_store = store.task(scope.dag_id, scope.run_id, scope.task_id).task_store
        until(lambda: task_store.get("remote_job_id") is not None, workers)
        job = task_store.get("remote_job_id")
    workers.revoke(scope.run_id, terminate=True)
    assert workers.notes(1) == ["cancelled"]
    folder = workers.folder / "jobs" / job.rpartition(":")[2]
    wait_for(folder / "end.json")


def test_the_tasks_of_a_group_are_one_mapped_task_of_one_run(workers: Workers) -> None:
    workers.start(2)
    with new_app(workers.url, workers.queue, workers.folder) as app:
        sent = group(app.signature("member", (number,)) for number in range(5)).apply_async()
    lines = sorted(line.split() for line in workers.notes(5))
    assert lines == [[sent.id, "member", str(number), str(number)] for number in range(5)]


def test_the_tasks_of_a_chord_are_too_and_its_body_is_a_task_of_its_own(workers: Workers) -> None:
    workers.start(2)
    with new_app(workers.url, workers.queue, workers.folder) as app:
        header = [app.signature("member", (number,)) for number in range(4)]
        chord(header, app.signature("collect")).apply_async()
    lines = workers.notes(5)
    assert "collected [0, 1, 2, 3] -1" in lines
    members = sorted(line.split() for line in lines if not line.startswith("collected"))
    assert [line[2:] for line in members] == [[str(number)] * 2 for number in range(4)]
    assert len({(line[0], line[1]) for line in members}) == 1


def test_the_jobs_of_groups_within_groups_are_all_submitted(workers: Workers) -> None:
    (workers.folder / "go").touch()
    workers.start(2)
    with new_app(workers.url, workers.queue, workers.folder) as app:
        a, b, c, d = (app.signature("resumed", immutable=True) for _ in range(4))
        group(a, group(b, c), group(d)).apply_async()
    jobs = {line.split()[2] for line in workers.notes(4)}
    assert len(jobs) == len(set(system_of(workers).submissions)) == 4


def shapes(app: Celery) -> dict[str, Any]:
    """What can be made of messages, and the number of them."""

    def task(label: str) -> Any:
        return app.signature("placed", kwargs={"label": label})

    a, b, c, d, e = map(task, "abcde")
    return {
        "groups in a group": group(a, group(b, c), group(d, group(e))),
        "a chain of groups": chain(group(a, b), group(c, d), e),
        "a group of chains": group(chain(a, b), chain(c, d), e),
        "chords in a group": group(chord([a, b], c), chord([d], e)),
        "a chord of groups": chord([a, group(b, c), d], e),
    }


def test_no_two_messages_share_their_keys_and_a_retry_keeps_its_own(workers: Workers) -> None:
    workers.start(2)
    with new_app(workers.url, workers.queue, workers.folder) as app:
        made = shapes(app)
        for shape in made.values():
            shape.apply_async()
    lines = [line.split("|") for line in workers.notes(2 * 5 * len(made))]
    deliveries = sorted((message, int(attempt)) for _, message, _, attempt, _ in lines)
    messages = {message for message, _ in deliveries}
    assert deliveries == sorted((message, attempt) for message in messages for attempt in (1, 2))
    assert len(messages) == 5 * len(made)
    assert len({(message, scope) for _, message, scope, _, _ in lines}) == len(messages)
    assert len({scope for _, _, scope, _, _ in lines}) == len(messages)
    for label, _, _, attempt, found in lines:
        assert found == ("none" if attempt == "1" else label)
