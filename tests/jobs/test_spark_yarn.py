"""SparkSubmitJob on YARN: real spark-submit, real Spark drivers in Spark's own ApplicationMaster."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from statestore.jobs.polling import PollingJob
from statestore.jobs.spark import Application, SparkSubmitJob, SparkYarnJob
from statestore.jobs.spark import Yarn as YarnCluster
from statestore.sdk import Submission, SubmissionState
from tests.engines.yarn import QUICK, SPARK_SETTINGS, Yarn
from tests.jobs.attempts import until
from tests.jobs.contract import EngineContract
from tests.jobs.reserving import ReservingContract
from tests.jobs.test_spark_yarn_words import NASTY
from tests.jobs.yarn_rig import YarnRig

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

PYTHON = """\
import json, pathlib, sys, time
from pyspark import SparkContext
folder = pathlib.Path(sys.argv[1])
with SparkContext() as spark:
    (folder / "arguments").write_text(json.dumps(sys.argv[2:]))
    (folder / "master").write_text(spark.master)
    while not (folder / "end").exists():
        time.sleep(0.05)
sys.exit(int((folder / "end").read_text()))
"""


class SparkYarnRig(YarnRig):
    """Spark's applications, of `spark-submit`."""

    kill_within = 12.0

    @property
    def cluster(self) -> YarnCluster:
        """Its ResourceManager is where `yarn-site.xml` says."""
        return YarnCluster(
            queue="etl",
            spark_submit=self.yarn.spark_submit,
            environment=self.yarn.environment,
            submit_timeout=25,
            timeout=5,
        )

    def job(self, **options: Any) -> PollingJob:
        application = Application(
            application=f"local:{self.yarn.jar}",
            application_args=[str(self.folder)],
            main_class="WaitDriver",
            name=str(self.folder),
        )
        return SparkSubmitJob(
            application, master=self.cluster, **{"poll_interval": 0.05, **options}
        )


@pytest.fixture
def rig(yarn: Yarn, tmp_path: Path) -> Iterator[SparkYarnRig]:
    rig = SparkYarnRig(tmp_path, yarn)
    yield rig
    rig.end()


def reserved(token: str) -> dict[str, Any]:
    """The context of an attempt with that token."""
    return {"submission": Submission(token, 1, SubmissionState.RESERVED)}


class TestSparkOnYarn(EngineContract):
    """The contract."""


def test_a_python_application_runs_on_the_cluster_and_is_found(
    rig: SparkYarnRig, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(PYTHON)
    application = Application(
        application=f"file:{tmp_path}/app.py",
        application_args=[str(tmp_path)],
        name=str(tmp_path),
        conf={"spark.yarn.tags": "nightly"},
        env_vars={"PYSPARK_PYTHON": str(rig.yarn.python)},
    )
    job = SparkSubmitJob(application, master=rig.cluster)
    driver = job.submit_job(reserved("ss-python-1"))
    until((tmp_path / "master").exists)
    assert (tmp_path / "master").read_text() == "yarn"
    assert job.find_job("ss-python-1", {}) == driver
    shown = rig.yarn.applications()[driver]
    assert (shown["queue"], shown["applicationTags"]) == ("etl", "nightly,ss-python-1")
    rig.end(3)
    until(lambda: not rig.running())
    status = job.get_job_status(driver, {})
    assert status == "FAILED"
    assert "exited with 3" in str(status.message) or "status 3" in str(status.message)


def test_of_two_applications_of_one_token_the_first_one_stays(
    rig: SparkYarnRig, tmp_path: Path
) -> None:
    """As where an attempt that was thought dead submits while this one does."""
    twice = tmp_path / "twice"
    submit = rig.yarn.spark_submit
    twice.write_text(f'#!/bin/sh\n{submit} "$@" >/dev/null 2>&1 || exit; exec {submit} "$@"\n')
    twice.chmod(0o755)
    job = rig.job()
    assert isinstance(job, SparkSubmitJob)
    cluster = replace(rig.cluster, spark_submit=twice, submit_timeout=240)
    first = SparkSubmitJob(job.application, master=cluster).submit_job(reserved("ss-twice-1"))
    assert len(rig.submissions()) == 2
    assert rig.running() == [first]
    assert job.find_job("ss-twice-1", {}) == first
    assert job.submit_job(reserved("ss-twice-1")) == first  # without another one
    assert len(rig.submissions()) == 2


class SparkRestRig(SparkYarnRig):
    """The same by REST, without `spark-submit`."""

    kill_within = 2.0

    def job(self, **options: Any) -> PollingJob:
        application = Application(
            application=f"file:{self.yarn.jar}",
            application_args=[str(self.folder)],
            main_class="WaitDriver",
            name=str(self.folder),
            conf=SPARK_SETTINGS,
            driver_memory="512m",
            driver_java_options=QUICK,
        )
        return SparkYarnJob(
            application,
            spark_home=str(self.yarn.home),
            resource_manager=self.yarn.url,
            max_app_attempts=1,
            **{"poll_interval": 0.05, "timeout": 5, **options},
        )


class TestSparkOnYarnByRest(ReservingContract):
    """The contract, and what the id that is reserved first brings."""

    @pytest.fixture
    def rig(self, yarn: Yarn, tmp_path: Path) -> Iterator[SparkRestRig]:
        rig = SparkRestRig(tmp_path, yarn)
        yield rig
        rig.end()


def test_a_python_application_runs_on_the_cluster_by_rest(
    rig: SparkYarnRig, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(PYTHON)
    application = Application(
        application=str(tmp_path / "app.py"),
        application_args=[str(tmp_path), *NASTY],
        name=str(tmp_path),
        conf=SPARK_SETTINGS,
        driver_memory="512m",
        env_vars={"PYSPARK_PYTHON": str(rig.yarn.python)},
    )
    job = SparkYarnJob(
        application,
        spark_home=str(rig.yarn.home),
        resource_manager=rig.yarn.url,
        queue="etl",
        max_app_attempts=1,
    )
    driver = job.submit_job(reserved("ss-rest-1"))
    until((tmp_path / "master").exists)
    assert json.loads((tmp_path / "arguments").read_text()) == NASTY
    shown = rig.yarn.applications()[driver]
    assert (shown["queue"], shown["applicationTags"]) == ("etl", "ss-rest-1")
    rig.end()
    until(lambda: not rig.running())
    assert job.get_job_status(driver, {}) == "SUCCEEDED"


def test_what_only_spark_submit_can_upload_is_refused() -> None:
    application = Application(application="local:/a.py", packages="org:lib:1", py_files="b.zip")
    with pytest.raises(ValueError, match="packages, py_files: spark-submit uploads these"):
        SparkYarnJob(application, spark_home="/usr/lib/spark")
