"""SparkSubmitJob on a real standalone cluster."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from statestore.jobs.spark import Application, SparkSubmitJob, Standalone
from statestore.sdk import (
    JobActiveError,
    JobSystemUnreachableError,
    StaleAttemptError,
    Submission,
    SubmissionState,
    TaskContext,
)
from tests.engines.spark import SMALL, Spark
from tests.jobs.attempts import until
from tests.jobs.contract import EngineContract, EngineRig

pytestmark = pytest.mark.engine

PYTHON = """\
import pathlib, sys, time
from pyspark import SparkConf, SparkContext
SparkContext._ensure_initialized()  # SparkConf() then reads what this driver was given
folder = pathlib.Path(sys.argv[1])
(folder / "master").write_text(SparkConf().get("spark.master"))
while not (folder / "end").exists():
    time.sleep(0.05)
sys.exit(int((folder / "end").read_text()))
"""


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spark]:
    """The session's cluster."""
    engine = Spark(tmp_path_factory.mktemp("spark"))
    engine.start()
    yield engine
    engine.stop()


class SparkRig(EngineRig):
    """The drivers of one test are those that came since it began."""

    unknown_id = "driver-20200101000000-0000"
    unknown_is_lost = False

    def __init__(self, folder: Path, spark: Spark) -> None:
        super().__init__(folder)
        self.spark, self.before = spark, set(spark.drivers())

    @property
    def cluster(self) -> Standalone:
        """Of its two masters the first is never there."""
        port = self.spark.port
        return Standalone(
            master=f"spark://127.0.0.2:{port},127.0.0.1:{port}",
            rest_port=self.spark.rest_port,
            web_port=self.spark.web_port,
            timeout=10,
        )

    def job(self, **options: Any) -> SparkSubmitJob:
        application = Application(
            application=f"file:{self.spark.jar}",
            application_args=[str(self.folder)],
            main_class="Wait",
            driver_memory="64m",
            driver_java_options=SMALL,
        )
        return SparkSubmitJob(
            application,
            master=self.cluster,
            **{"poll_interval": 0.05, "submit_seconds": 2.0, **options},
        )

    def submissions(self) -> list[str]:
        return [driver for driver in self.spark.drivers() if driver not in self.before]

    def running(self) -> list[str]:
        states = self.spark.drivers()
        return [driver for driver in self.submissions() if states.get(driver) in Standalone.active]

    def restart(self) -> None:
        self.spark.restart()

    def away(self) -> AbstractContextManager[None]:
        return self.spark.away()


@pytest.fixture
def rig(spark: Spark, tmp_path: Path) -> Iterator[SparkRig]:
    rig = SparkRig(tmp_path, spark)
    yield rig
    rig.end()


class TestSparkStandalone(EngineContract):
    """The contract."""


def test_a_python_application_runs_on_the_cluster_and_is_found(
    rig: SparkRig, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(PYTHON)
    application = Application(
        application=f"file:{tmp_path}/app.py",
        application_args=[str(tmp_path)],
        driver_memory="256m",
        env_vars={"PYSPARK_PYTHON": str(rig.spark.python)},
    )
    job = SparkSubmitJob(application, master=rig.cluster)
    context = {"submission": Submission("ss-python-1", 1, SubmissionState.RESERVED)}
    driver = job.submit_job(context)
    until((tmp_path / "master").exists)
    assert (tmp_path / "master").read_text() == rig.cluster.master
    assert job.find_job("ss-python-1", {}) == driver
    rig.end(3)
    until(lambda: not rig.running())
    assert job.get_job_status(driver, {}) == "FAILED"


def test_the_driver_of_an_overtaken_attempt_is_killed(
    rig: SparkRig, attempt: Callable[[], TaskContext]
) -> None:
    """Its request was under way for longer than `submit_seconds`: the next attempt found nothing."""
    first, newer = attempt(), []

    class Overtaken(SparkSubmitJob):
        def submit_job(self, context: Any) -> Any:
            with pytest.raises(JobActiveError):
                rig.job(submit_seconds=0.0).execute_deferred(attempt())
            newer.extend(rig.submissions())
            return super().submit_job(context)

    application = rig.job().application
    older = Overtaken(application, master=rig.cluster, poll_interval=0.05, submit_seconds=2.0)
    with pytest.raises(StaleAttemptError):
        older.execute_resumable(first)
    assert len(rig.submissions()) == 2
    until(lambda: rig.running() == newer)


def test_a_driver_that_no_worker_has_yet_may_be_the_one(rig: SparkRig) -> None:
    """It asks for more memory than there is, so it waits; until its worker shows it, nothing is sure."""
    waiting = rig.job().application
    big = Application(application=waiting.application, main_class="Wait", driver_memory="100g")
    job = SparkSubmitJob(big, master=rig.cluster)
    context = {"submission": Submission("ss-waiting-1", 1, SubmissionState.RESERVED)}
    driver = job.submit_job(context)
    with pytest.raises(JobSystemUnreachableError, match=driver):
        job.find_job("ss-waiting-1", {})
    job.cancel_job(driver, {})
    assert job.get_job_status(driver, {}) == "KILLED"
