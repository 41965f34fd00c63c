"""HttpJob, on a server of its own process that is killed and restarted."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from statestore.jobs.http import HttpJob
from statestore.jobs.polling import JobStatus
from statestore.sdk import (
    JobActiveError,
    StatestoreError,
    TaskContext,
    UnknownSubmissionError,
)
from tests.engines.board import BoardServer
from tests.jobs.boards import BoardRig
from tests.jobs.contract import EngineContract, Rig

Attempt = Callable[[], TaskContext]
pytestmark = pytest.mark.slow  # which database the server has makes no difference


@pytest.fixture(scope="module")
def jobs_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoardServer]:
    """The module's server."""
    server = BoardServer("tests.engines.http_jobs", tmp_path_factory.mktemp("http"))
    server.start()
    yield server
    server.stop()


def quarters(answer: httpx.Response) -> JobStatus:
    """What this server tells, progress too."""
    job = answer.json()
    done = job["progress"]
    return JobStatus(job["status"].lower(), current=done["done"], total=done["of"], unit="quarters")


class SearchedRig(BoardRig):
    """A server that can be searched, and ignores the key."""

    @property
    def unknown_id(self) -> str:
        return f"{self.system.url}/searched/jobs/999999"

    def job(self, **options: Any) -> HttpJob:
        return HttpJob(
            f"{self.system.url}/searched/jobs",
            json={"wait_for": str(self.folder), "label": "{token}"},
            status=quarters,
            location="/searched/jobs/{id}",
            idempotency_key=None,
            search="/searched/jobs?label={token}",
            result="result",
            timeout=5,
            **{"poll_interval": 0.05, "submit_seconds": 1.0, **options},
        )


class KeyedRig(BoardRig):
    """A server that makes one job of one key, and cannot be searched."""

    @property
    def unknown_id(self) -> str:
        return f"{self.system.url}/keyed/jobs/999999"

    def job(self, **options: Any) -> HttpJob:
        url, body = f"{self.system.url}/keyed/jobs", {"wait_for": str(self.folder)}
        return HttpJob(url, json=body, timeout=5, **{"poll_interval": 0.05, **options})


@pytest.mark.engine
class TestSearchedHttpJob(EngineContract):
    """Found by a search."""

    @pytest.fixture
    def rig(self, jobs_server: BoardServer, tmp_path: Path) -> Rig:
        return SearchedRig(tmp_path, jobs_server)


@pytest.mark.engine
class TestKeyedHttpJob(EngineContract):
    """The same key gives the same job."""

    searchable = False

    @pytest.fixture
    def rig(self, jobs_server: BoardServer, tmp_path: Path) -> Rig:
        return KeyedRig(tmp_path, jobs_server)


@pytest.fixture
def plain(jobs_server: BoardServer, tmp_path: Path) -> Callable[..., HttpJob]:
    """A server with neither key nor search."""

    def create(**options: Any) -> HttpJob:
        body = {"wait_for": str(tmp_path)}
        options = {"poll_interval": 0.01, "idempotency_key": None, **options}
        return HttpJob(f"{jobs_server.url}/plain/jobs", json=body, **options)

    return create


def dies_after_submitting(job: HttpJob, context: TaskContext) -> None:
    """As an attempt that is killed between submit and persist."""

    class Killed(BaseException):
        """No handler of the SDK sees it."""

    def submit_and_die(context: Any) -> None:
        HttpJob.submit_job(job, context)
        raise Killed

    vars(job)["submit_job"] = submit_and_die
    with pytest.raises(Killed):
        job.execute_resumable(context)


def test_with_neither_key_nor_search_the_outcome_is_unknown(
    plain: Callable[..., HttpJob], attempt: Attempt, jobs_server: BoardServer, tmp_path: Path
) -> None:
    dies_after_submitting(plain(), attempt())
    with pytest.raises(UnknownSubmissionError, match="has no find_job"):
        plain(on_unknown="fail").execute_resumable(attempt())
    assert len(jobs_server.jobs(tmp_path)) == 1
    with pytest.raises(JobActiveError):
        plain().execute_deferred(attempt())
    assert len(jobs_server.jobs(tmp_path)) == 2  # as Airflow does it


def test_a_key_gives_the_same_job_again(
    jobs_server: BoardServer, attempt: Attempt, tmp_path: Path
) -> None:
    rig = KeyedRig(tmp_path, jobs_server)
    dies_after_submitting(rig.job(), attempt())
    rig.end()
    result = rig.job().execute_resumable(attempt())
    assert result["status"] == "SUCCEEDED"
    assert len(rig.submissions()) == 1


def test_a_search_finds_the_job(jobs_server: BoardServer, attempt: Attempt, tmp_path: Path) -> None:
    rig = SearchedRig(tmp_path, jobs_server)
    dies_after_submitting(rig.job(), attempt())
    context = attempt()
    with pytest.raises(JobActiveError):
        rig.job().execute_deferred(context)
    told = {"current": 1, "total": 4, "unit": "quarters", "status": "running"}
    assert context.task_store.get("progress") == told
    rig.end()
    assert rig.job().execute_resumable(attempt())["rows"] == 3
    assert len(rig.submissions()) == 1


def test_a_word_that_nobody_named_is_no_end(
    plain: Callable[..., HttpJob], attempt: Attempt
) -> None:
    with pytest.raises(StatestoreError, match="is 'running', which is neither in `active`"):
        plain(active=["busy"]).execute_resumable(attempt())
    with pytest.raises(StatestoreError, match="no field 'state"):
        plain(status="state.name").execute_resumable(attempt())


def test_an_answer_without_a_location_says_so(jobs_server: BoardServer, attempt: Attempt) -> None:
    job = HttpJob(f"{jobs_server.url}/all?folder=-")
    with pytest.raises(StatestoreError, match="answered without a Location"):
        job.execute_resumable(attempt())


def test_headers_go_to_their_own_host_alone(
    jobs_server: BoardServer, attempt: Attempt, tmp_path: Path
) -> None:
    rig = KeyedRig(tmp_path, jobs_server)
    rig.end()
    job = rig.job()
    job.headers, job.result = {"X-Secret": "tests"}, "result"
    assert job.execute_resumable(attempt())["secret"] == "tests"
    job.result = "elsewhere"
    result = job.execute_resumable(attempt())
    assert (result["rows"], result["secret"]) == (3, None)
    job.result = "in-circles"
    with pytest.raises(StatestoreError, match="was answered with 307: it is at"):
        job.execute_resumable(attempt())
