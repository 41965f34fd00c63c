"""The command `spark-submit`: what it is given, and what is made of its end."""

import multiprocessing
import time
from pathlib import Path

import pytest

from statestore.jobs.spark import Application
from statestore.jobs.spark.spark_submit import SparkSubmitError, command_line, run
from statestore.sdk import JobSystemUnreachableError, StatestoreError
from tests.jobs.attempts import until

_processes = multiprocessing.get_context("forkserver")

SUBMITS_LATER = 'sleep 1 & wait; touch "$0"'
"""A command with a process of its own, which would submit after a second."""


def test_options_are_spelled_as_spark_submit_has_them() -> None:
    application = Application(
        application="hdfs:///apps/report.jar",
        application_args=["2026-11-20"],
        main_class="Report",
        name="report",
        conf={"spark.yarn.tags": "mine", "spark.ui.enabled": "false"},
        py_files="a.zip",
        num_executors=3,
        driver_java_options="-Da=b -Dc=d",
    )
    assert command_line(
        application,
        "ss-1",
        master="yarn",
        options={"queue": "etl", "keytab": None},
        conf={"spark.yarn.tags": "ss-1,mine"},
    ) == [
        "spark-submit",
        *("--master", "yarn", "--deploy-mode", "cluster", "--class", "Report", "--name", "report"),
        *("--driver-java-options", "-Da=b -Dc=d", "--num-executors", "3", "--py-files", "a.zip"),
        *("--queue", "etl", "--conf", "spark.yarn.tags=ss-1,mine"),
        *("--conf", "spark.ui.enabled=false", "--conf", "spark.statestore.submission=ss-1"),
        *("hdfs:///apps/report.jar", "2026-11-20"),
    ]  # fmt: skip


def test_all_that_was_written_is_returned() -> None:
    line = ["sh", "-c", 'echo "$1 $PLACE"; echo and >&2; cat', "sh", "a  b"]
    assert run(line, timeout=10, environment={"PLACE": "here"}) == "a  b here\nand\n"


def test_a_refusal_says_why() -> None:
    with pytest.raises(SparkSubmitError, match="exit status 1: Error: no such queue") as refused:
        run(["sh", "-c", "echo Error: no such queue >&2; exit 1"], timeout=10)
    assert refused.value.output == "Error: no such queue\n"


def test_a_command_that_is_not_there_says_what_to_do() -> None:
    with pytest.raises(StatestoreError, match="spark_submit='/…/bin/spark-submit'"):
        run(["/no/such/spark-submit"], timeout=10)


@pytest.mark.parametrize("end", ["kill -KILL $$", "echo java.net.ConnectException: no; exit 1"])
def test_a_killed_one_and_one_without_an_answer_may_have_submitted(end: str) -> None:
    with pytest.raises(JobSystemUnreachableError):
        run(["sh", "-c", end], timeout=10)


def test_one_that_takes_too_long_is_killed_with_all_its_processes(tmp_path: Path) -> None:
    with pytest.raises(JobSystemUnreachableError, match=r"had not ended after 0\.3 s"):
        run(["sh", "-c", SUBMITS_LATER, str(tmp_path / "submitted")], timeout=0.3)
    time.sleep(1.5)
    assert not (tmp_path / "submitted").exists()


def test_it_dies_with_the_worker_that_waits_for_it(tmp_path: Path) -> None:
    script = f'touch "$0.begun"; {SUBMITS_LATER}'
    line = ["sh", "-c", script, str(tmp_path / "submitted")]
    worker = _processes.Process(target=run, args=(line,), kwargs={"timeout": 60}, daemon=True)
    worker.start()
    until((tmp_path / "submitted.begun").exists)
    worker.kill()
    worker.join()
    time.sleep(1.5)
    assert not (tmp_path / "submitted").exists()
