"""The jobs of services that were not met: on servers that were written from their documentation."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from statestore.jobs.bigquery import BigQueryJob
from statestore.jobs.databricks import DatabricksJob
from statestore.sdk import JobFailedError, StatestoreError, TaskContext
from tests.engines.board import BoardServer
from tests.jobs.attempts import Attempts
from tests.jobs.boards import BoardRig
from tests.jobs.contract import EngineContract

Attempt = Callable[[], TaskContext]
TOKEN = {"Authorization": "Bearer tests"}


@pytest.fixture(scope="module")
def databricks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoardServer]:
    """The module's workspace."""
    server = BoardServer("tests.engines.databricks", tmp_path_factory.mktemp("databricks"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def bigquery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoardServer]:
    """The module's BigQuery."""
    server = BoardServer("tests.engines.bigquery", tmp_path_factory.mktemp("bigquery"))
    server.start()
    yield server
    server.stop()


class DatabricksRig(BoardRig):
    """Runs of one notebook, which waits."""

    unknown_id = 999_999

    def job(self, **options: Any) -> DatabricksJob:
        notebook = {"notebook_path": "/wait", "base_parameters": {"wait_for": str(self.folder)}}
        options = {"headers": TOKEN, "poll_interval": 0.05, "timeout": 5, **options}
        return DatabricksJob(
            self.system.url, [{"task_key": "wait", "notebook_task": notebook}], **options
        )


class BigQueryRig(BoardRig):
    """A query that waits."""

    unknown_id = "ss-never-1"

    def job(self, **options: Any) -> BigQueryJob:
        query = {"query": {"query": f"wait_for {self.folder}"}}
        url = f"{self.system.url}/bigquery/v2"
        options = {"headers": TOKEN, "poll_interval": 0.05, "timeout": 5, **options}
        return BigQueryJob("tests", query, location="EU", url=url, **options)


@pytest.mark.engine
class TestDatabricksJob(EngineContract):
    """One run of one token, found by its name."""

    @pytest.fixture
    def rig(self, databricks: BoardServer, tmp_path: Path) -> BoardRig:
        return DatabricksRig(tmp_path, databricks)

    def test_a_second_submission_of_a_token_gives_the_same_run(
        self, rig: BoardRig, task: Attempts
    ) -> None:
        submitted_twice(rig, task)


@pytest.mark.engine
class TestBigQueryJob(EngineContract):
    """One job of one id."""

    @pytest.fixture
    def rig(self, bigquery: BoardServer, tmp_path: Path) -> BoardRig:
        return BigQueryRig(tmp_path, bigquery)

    def test_a_second_submission_of_a_token_gives_the_same_job(
        self, rig: BoardRig, task: Attempts
    ) -> None:
        submitted_twice(rig, task)


def submitted_twice(rig: BoardRig, task: Attempts) -> None:
    """As an overtaken attempt, which still submits."""
    rig.end()
    task.run(rig.job())
    keys = task.keys()

    class Reserved:
        """What it holds."""

        token = keys["remote_job_id.submission"]["token"]

    assert rig.job().submit_job({"submission": Reserved}) == keys["remote_job_id"]
    assert len(rig.submissions()) == 1


@pytest.mark.slow  # which database the server has makes no difference
def test_databricks_finds_a_run_on_a_later_page(
    databricks: BoardServer, attempt: Attempt, tmp_path: Path
) -> None:
    rig = DatabricksRig(tmp_path, databricks)
    rig.end()
    context = attempt()
    assert rig.job().execute_resumable(context)["status"]["state"] == "TERMINATED"
    token = context["submission"].token
    for number in range(3):
        databricks_submits(rig, f"later-{number}")
    assert rig.job().find_job(token, {}) == context.task_store.get("remote_job_id")


def databricks_submits(rig: BoardRig, other: str) -> None:
    """Another run, which begins later."""

    class Reserved:
        """Another task's."""

        token = other

    rig.job().submit_job({"submission": Reserved})


@pytest.mark.slow
def test_bigquery_tells_why_a_job_has_failed(
    bigquery: BoardServer, attempt: Attempt, tmp_path: Path
) -> None:
    rig = BigQueryRig(tmp_path, bigquery)
    rig.end(1)
    with pytest.raises(JobFailedError, match="'FAILED': invalidQuery: Syntax error"):
        rig.job().execute_resumable(attempt())


@pytest.mark.slow
@pytest.mark.parametrize(("rig_of", "status"), [(DatabricksRig, 403), (BigQueryRig, 401)])
def test_a_wrong_token_is_told_at_once(
    databricks: BoardServer,
    bigquery: BoardServer,
    attempt: Attempt,
    tmp_path: Path,
    rig_of: type[BoardRig],
    status: int,
) -> None:
    system = databricks if rig_of is DatabricksRig else bigquery
    job = rig_of(tmp_path, system).job(headers={"Authorization": "Bearer wrong"})
    with pytest.raises(StatestoreError, match=f"was answered with {status}: .*nvalid"):
        job.execute_resumable(attempt())
