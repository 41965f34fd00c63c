"""Kills, counted: so many at every point of a submission, in systems with a token, a search, and neither.

STATESTORE_TEST_KILLS says how many at each point and of each kind; docs/workers.md has what was counted.
"""

import pytest

from tests.faults.conftest import KILLS, NewTask
from tests.faults.job_system import FindableJob, Job, TokenJob

COUNT = KILLS // 10 or 1
KEY, RECORD = "remote_job_id", "remote_job_id.submission"
POINTS = {
    "before the reservation": f"before PUT {RECORD}",
    "after the reservation": f"after PUT {RECORD}",
    "before the submit": "before submit",
    "after the submit": "after submit",
    "after the persist": f"after PUT {KEY}",
    "while polling": "before status",
    "at the result": "before result",
}
NOTHING_TELLS = {"after the reservation", "before the submit", "after the submit"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120 + 5 * COUNT)]


@pytest.mark.parametrize("job", [TokenJob, FindableJob, Job])
@pytest.mark.parametrize("point", POINTS)
def test_whatever_the_point_there_is_one_job_or_it_is_said_that_nobody_knows(
    new_task: NewTask, point: str, job: type[Job]
) -> None:
    jobs = duplicates = unknown = 0
    for _ in range(COUNT):
        task = new_task(job)
        assert task.attempt(killed_at=POINTS[point]) is None
        assert "result of" in task.attempt()
        jobs += len(task.system.submissions)
        duplicates += len(task.system.submissions) - 1
        unknown += "unknown" in task.events
    print(  # noqa: T201 - figures for whoever looks
        f"{job.__name__}, {point}: {COUNT} kills, {jobs} jobs, {duplicates} duplicates, {unknown} unknown"
    )
    if job is not Job:
        assert duplicates == 0
    assert unknown == (COUNT if job is not FindableJob and point in NOTHING_TELLS else 0)
    assert duplicates == (COUNT if job is Job and point == "after the submit" else 0)
