"""The command `spark-submit`: what it is given, and what is made of its end."""

import multiprocessing
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from statestore.jobs.spark import Application
from statestore.jobs.spark.spark_submit import SparkSubmitError, command_line, run, submit
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
        py_files="a.zip",
        num_executors=3,
        driver_java_options="-Da=b -Dc=d",
    )
    assert command_line(
        application,
        master="yarn",
        options={"queue": "etl", "keytab": None},
    ) == [
        "spark-submit",
        *("--master", "yarn", "--deploy-mode", "cluster", "--class", "Report", "--name", "report"),
        *("--driver-java-options", "-Da=b -Dc=d", "--num-executors", "3", "--py-files", "a.zip"),
        *("--queue", "etl", "hdfs:///apps/report.jar", "2026-11-20"),
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


# --- properties, which may be secrets ---

SHOWS_FILE = """\
#!/bin/sh
stat -c %a "$2"; echo "$@"; cat "$2"
"""
PROPERTIES = {"spark.a:b": "x = #1\\2\nä", "spark.password": "s3cret"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Spark whose spark-submit shows what it is given."""
    for name in ("SPARK_HOME", "SPARK_CONF_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    for name in ("bin", "jars", "conf", "temporary"):
        (tmp_path / name).mkdir()
    (tmp_path / "bin/spark-submit").write_text(SHOWS_FILE)
    (tmp_path / "bin/spark-submit").chmod(0o755)
    (tmp_path / "conf/spark-defaults.conf").write_text(
        "spark.a\\:b before\nspark.ui.enabled false \\"
    )
    return tmp_path


def test_properties_are_in_a_file_that_others_cannot_read_and_that_is_deleted(home: Path) -> None:
    output = submit([f"{home}/bin/spark-submit", "app.jar"], properties=PROPERTIES, timeout=10)
    mode, line, *file = output.splitlines()
    assert mode == "600"
    assert "s3cret" not in line
    assert line.startswith("--properties-file ")
    assert line.endswith(" app.jar")
    assert file[:2] == ["spark.a\\:b before", "spark.ui.enabled false \\"]
    assert file[3:] == ["spark.a\\:b=x\\ \\=\\ \\#1\\\\2\\nä", "spark.password=s3cret"]
    assert list((home / "temporary").iterdir()) == []


def test_a_properties_file_of_one_s_own_stands_for_the_defaults(home: Path) -> None:
    (home / "own").write_text("spark.own true\n")
    line = [f"{home}/bin/spark-submit", "app.jar"]
    own = str(home / "own")
    output = submit(line, properties=PROPERTIES, properties_file=own, timeout=10)
    assert "spark.own true\n" in output
    assert "spark.ui.enabled" not in output
    with pytest.raises(StatestoreError, match="There is no properties_file /nowhere"):
        submit(line, properties=PROPERTIES, properties_file="/nowhere", timeout=10)


def test_where_the_defaults_are_unknown_properties_stand_in_the_command_line(home: Path) -> None:
    (home / "jars").rmdir()
    (home / "bin/spark-submit").write_text('#!/bin/sh\necho "$@"\n')
    output = submit(
        [f"{home}/bin/spark-submit", "app.jar"], properties={"spark.a": "1"}, timeout=10
    )
    assert output == "--conf spark.a=1 app.jar\n"


def test_a_killed_worker_leaves_no_properties(home: Path) -> None:
    (home / "bin/spark-submit").write_text('#!/bin/sh\ntouch "$0.begun"\nsleep 60\n')
    line = [f"{home}/bin/spark-submit", "app.jar"]
    code = "from statestore.jobs.spark.spark_submit import submit"
    code += f"; submit({line!r}, properties={PROPERTIES!r}, timeout=60)"
    with subprocess.Popen([sys.executable, "-c", code]) as worker:
        until((home / "bin/spark-submit.begun").exists)
        assert len(list((home / "temporary").iterdir())) == 1
        worker.kill()
    until(lambda: not list((home / "temporary").iterdir()))
