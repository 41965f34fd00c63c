"""The mixin in an operator; test_airflow2.py and test_airflow3.py have real ones."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from statestore.integrations.airflow import ResumableJobMixin
from statestore.protocol import TaskScope
from tests.faults.job_system import FindableJob, JobSystem


class Operator:
    """What every operator of Airflow's has."""

    def on_kill(self) -> None:
        """Nothing, where no subclass says more."""


class Before(ResumableJobMixin, FindableJob, Operator):
    """The mixin before the operator's class."""


class After(Operator, ResumableJobMixin, FindableJob):  # type: ignore[misc]  # on_kill is Airflow's
    """The mixin after it."""


pytestmark = pytest.mark.usefixtures("airflow_process")


@pytest.fixture
def system(tmp_path: Path) -> JobSystem:
    return JobSystem(tmp_path)


def context(scope: TaskScope, try_number: int) -> dict[str, Any]:
    """What Airflow hands to a task."""
    ids = {"dag_id": scope.dag_id, "run_id": scope.run_id, "task_id": scope.task_id}
    return {"ti": SimpleNamespace(**ids, map_index=-1, try_number=try_number)}


@pytest.mark.parametrize("kind", [Before, After])
def test_the_next_try_reconnects_to_the_job(
    kind: type[Before | After], scope: TaskScope, system: JobSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = kind(system), kind(system)
    monkeypatch.setattr(first, "poll_until_complete", _lose_the_worker)
    with pytest.raises(KeyboardInterrupt):
        first.execute_resumable(context(scope, 1))
    result = second.execute_resumable(context(scope, 2))
    (token,) = system.submissions
    assert result == {"result of": system.find(token)}


def test_without_durable_every_try_submits_and_no_server_is_asked(
    scope: TaskScope, system: JobSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATESTORE_URL", "http://statestore.invalid")
    for number in (1, 2):
        job = Before(system)
        job.durable = False
        job.execute_resumable(context(scope, number))
    assert len(system.submissions) == 2


def test_airflow_kills_without_a_context_and_the_job_is_cancelled(
    scope: TaskScope, system: JobSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, cancelled = Before(system), []
    monkeypatch.setattr(job, "poll_until_complete", _lose_the_worker)
    monkeypatch.setattr(
        Before, "cancel_job", lambda _, job, context: cancelled.append(job), raising=False
    )
    job.on_kill()  # nothing runs yet
    with pytest.raises(KeyboardInterrupt):
        job.execute_resumable(context(scope, 1))
    job.on_kill()
    (token,) = system.submissions
    assert cancelled == [system.find(token)]


def _lose_the_worker(external_id: str, context: Any) -> None:
    raise KeyboardInterrupt
