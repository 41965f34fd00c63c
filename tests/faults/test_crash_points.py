"""An attempt is killed at each of its steps in turn; the next one must go on, and submit nothing twice."""

import itertools
import random
from collections.abc import Iterator

import pytest

from tests.faults.conftest import KILLS, NewTask
from tests.faults.job_system import CautiousJob, FindableJob, Job, Task

pytestmark = pytest.mark.slow

KEY, RECORD = "remote_job_id", "remote_job_id.submission"
SUBMISSION = [
    "before POST attempts",
    f"before PUT {RECORD}",  # the reservation
    f"after PUT {RECORD}",
    "before submit",
    "after submit",
    f"before PUT {KEY}",
    f"after PUT {KEY}",
    f"before PUT {RECORD}",  # the id beside its token
    f"after PUT {RECORD}",
    "before status",
    "before result",
]


def killed_at_each_step(
    new_task: NewTask, job: type[Job], *, failed_before: bool
) -> Iterator[Task]:
    """A new task for each step, whose last attempt was killed there; ends when none is left."""
    for step in itertools.count():
        task = new_task(job)
        if failed_before:
            assert task.ending_as("failed").attempt() == "JobFailedError"
        before = len(task.steps)
        if task.attempt(killed_at=step) is not None:
            steps = iter(task.steps[before:])
            assert all(name in steps for name in SUBMISSION), "the steps are not what they were"
            return
        yield task


@pytest.mark.parametrize("failed_before", [False, True], ids=["first", "after a failed job"])
def test_a_job_that_can_be_found_is_never_submitted_twice(
    new_task: NewTask, failed_before: bool
) -> None:
    generations = 2 if failed_before else 1
    for task in killed_at_each_step(new_task, FindableJob, failed_before=failed_before):
        where = task.steps[-1]
        result = task.attempt()
        job = task.system.find(task.system.submissions[-1])
        assert result == {"result of": job}, where
        assert len(task.system.submissions) == generations, where
        assert [token[-2:] for token in task.system.submissions] == ["-1", "-2"][:generations]
        assert "unknown" not in task.events


@pytest.mark.parametrize("failed_before", [False, True], ids=["first", "after a failed job"])
def test_a_job_that_cannot_be_found_is_submitted_again_only_where_nothing_tells(
    new_task: NewTask, failed_before: bool
) -> None:
    unknown_at = set()
    for task in killed_at_each_step(new_task, Job, failed_before=failed_before):
        where = task.steps[-1]
        assert "result of" in task.attempt(), where
        duplicates = len(task.system.submissions) - (2 if failed_before else 1)
        unknown = "unknown" in task.events
        assert duplicates <= unknown, where  # never without saying so
        if unknown:
            unknown_at.add(where)
    assert unknown_at == {
        f"after PUT {RECORD}",
        "before submit",
        "after submit",
        f"before PUT {KEY}",
    }


def test_a_cautious_job_fails_where_nothing_tells_and_is_never_submitted_twice(
    new_task: NewTask,
) -> None:
    failed_at = set()
    for task in killed_at_each_step(new_task, CautiousJob, failed_before=False):
        where, result = task.steps[-1], task.attempt()
        assert len(task.system.submissions) <= 1, where
        if result == "UnknownSubmissionError":
            failed_at.add(where)
            assert task.attempt() == "UnknownSubmissionError", where  # and stays so
        else:
            assert "result of" in result, where
    assert failed_at == {
        f"after PUT {RECORD}",
        "before submit",
        "after submit",
        f"before PUT {KEY}",
    }


@pytest.mark.timeout(120 + 2 * KILLS)
def test_attempts_that_are_killed_one_after_another_submit_once(new_task: NewTask) -> None:
    seed = random.randrange(10**6)
    print("seed", seed)  # noqa: T201 - shown when it fails
    dice, kills = random.Random(seed), 0
    while kills < KILLS:
        task, most = new_task(FindableJob), kills + 8
        while kills < most and task.attempt(killed_at=dice.randrange(14)) is None:
            kills += 1
        assert "result of" in task.attempt()
        assert len(task.system.submissions) == 1
