"""YarnJob, by the REST API of a ResourceManager; its ApplicationMasters are real ones."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from statestore.jobs.polling import NotSentError
from statestore.jobs.resource_manager import ACTIVE
from statestore.jobs.yarn import LocalResource, YarnJob
from statestore.sdk import Submission, SubmissionState
from tests.engines.yarn import QUICK, Yarn
from tests.jobs.attempts import Attempts, until
from tests.jobs.reserving import ReservingContract
from tests.jobs.yarn_rig import YarnRig
from tests.ports import free_port

pytestmark = pytest.mark.engine


class MasterRig(YarnRig):
    """Of three addresses the last one helps: nothing listens at the first, and a standby at the second."""

    def __init__(self, folder: Path, yarn: Yarn) -> None:
        super().__init__(folder, yarn)
        self.addresses = f"http://127.0.0.1:{free_port()},{yarn.standby},{yarn.url}"

    def job(self, **options: Any) -> YarnJob:
        java = f"{{{{JAVA_HOME}}}}/bin/java -Xmx64m {QUICK} -cp jobs.jar:{self.yarn.hadoop}"
        return YarnJob(
            f"{java} WaitMaster {self.folder} 1><LOG_DIR>/stdout 2><LOG_DIR>/stderr",
            name=str(self.folder),
            resource_manager=self.addresses,
            local_resources={"jobs.jar": LocalResource.of_file(self.yarn.jar)},
            max_app_attempts=1,
            **{"poll_interval": 0.05, "timeout": 5, **options},
        )


@pytest.fixture
def rig(yarn: Yarn, tmp_path: Path) -> Iterator[MasterRig]:
    rig = MasterRig(tmp_path, yarn)
    yield rig
    rig.end()


def reserved(application_id: str | None, token: str = "ss-reserved-1") -> dict[str, Any]:
    """The context of an attempt that has reserved the id."""
    state = SubmissionState.RESERVED
    return {"submission": Submission(token, 1, state, external_id=application_id)}


class TestYarnJob(ReservingContract):
    """The contract."""


def test_a_submission_of_one_id_that_comes_twice_is_one_application(rig: MasterRig) -> None:
    job = rig.job()
    context = reserved(job.reserve_job({}))
    assert job.find_job("ss-reserved-1", context) is None
    application = job.submit_job(context)
    assert job.submit_job(context) == application
    assert rig.submissions() == [application]
    assert rig.yarn.applications()[application]["applicationTags"] == "ss-reserved-1"
    assert job.find_job("ss-reserved-1", context) == application
    job.cancel_job(application, {})
    assert job.get_job_status(application, {}) == "KILLED"
    job.cancel_job(application, {})


def test_what_yarn_says_is_the_progress_and_the_message(rig: MasterRig) -> None:
    job = rig.job()
    application = job.submit_job(reserved(None))
    until(lambda: job.get_job_status(application, {}).progress.get("current") == 50)
    assert job.get_job_status(application, {}).progress == {
        "current": 50, "total": 100, "unit": "%",
    }  # fmt: skip
    rig.end(3)
    until(lambda: not rig.running())
    status = job.get_job_status(application, {})
    assert status == "FAILED"  # which is its finalStatus: its state is FINISHED
    assert rig.yarn.applications()[application]["state"] == "FINISHED"
    assert status.message == "exit status 3"


def test_a_resource_manager_that_has_not_recovered_yet_does_not_know_that_there_is_none(
    rig: MasterRig,
) -> None:
    job = rig.job()
    application = job.reserve_job({})
    context = reserved(application, "ss-recovered-1")
    job.submit_job(context)
    until(lambda: job.get_job_status(application, {}) == "RUNNING")
    asked = {
        "find": lambda: job.find_job("ss-recovered-1", context) == application,
        "search": lambda: job.resource_manager.tagged("ss-recovered-1") == [application],
        "status": lambda: job.get_job_status(application, {}) in ACTIVE,
        "submit": lambda: job.submit_job(context) == application,
    }
    rig.restart()
    not_yet = []
    for name in [*asked, *asked]:
        try:
            assert asked[name](), name
        except NotSentError as problem:
            not_yet.append(str(problem))
    assert f"{rig.yarn.url} is INITIALIZING" in not_yet[0]
    until(rig.running)
    assert all(ask() for ask in asked.values())
    rig.restart()
    with pytest.raises(NotSentError, match="is INITIALIZING"):
        job.cancel_job(application, {})
    assert rig.running() == [application]
    job.cancel_job(application, {})
    assert (rig.running(), rig.submissions()) == ([], [application])


def test_a_command_that_says_nothing_to_yarn_fails_also_where_it_ends_well(rig: MasterRig) -> None:
    job = YarnJob("true", name=str(rig.folder), resource_manager=rig.addresses, max_app_attempts=1)
    application = job.submit_job(reserved(None))
    until(lambda: not rig.running())
    status = job.get_job_status(application, {})
    assert status == "FAILED"
    assert "exited with exitCode: 0" in str(status.message)


def test_a_file_that_has_changed_since_is_refused_by_yarn(rig: MasterRig, tmp_path: Path) -> None:
    (tmp_path / "input").write_text("before")
    resource = LocalResource.of_file(tmp_path / "input")
    stale = LocalResource(resource.url, resource.size, resource.timestamp - 1)
    job = YarnJob(
        "true",
        name=str(rig.folder),
        resource_manager=rig.addresses,
        local_resources={"input": stale},
        max_app_attempts=1,
    )
    application = job.submit_job(reserved(None))
    until(lambda: not rig.running())
    assert "exitCode: -1000" in str(job.get_job_status(application, {}).message)


def test_a_careful_job_does_not_take_a_forgotten_application_for_lost(
    rig: MasterRig, task: Attempts
) -> None:
    task.set("remote_job_id", rig.unknown_id)
    outcome = task.run(rig.job(on_unknown="fail"))
    assert outcome.error == "UnknownSubmissionError"
    assert rig.submissions() == []
