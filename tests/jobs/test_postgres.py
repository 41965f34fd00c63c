"""PostgresJob, on a PostgreSQL of its own that is paused, stopped and started again."""

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import pytest

from statestore.jobs.postgres import PostgresJob
from statestore.sdk import JobFailedError, StatestoreError, Submission, SubmissionState, TaskContext
from tests.jobs.attempts import Attempts, until
from tests.jobs.contract import EngineContract, EngineRig
from tests.missing import missing
from tests.postgresql import REMEDY, Cluster, NoPostgreSQLError, postgresql

Attempt = Callable[[], TaskContext]
pytestmark = pytest.mark.slow  # which database the server has makes no difference

SET_UP = """
CREATE TABLE IF NOT EXISTS ends (test text PRIMARY KEY, exit_status int NOT NULL);
CREATE TABLE IF NOT EXISTS done (test text, run bigint);
CREATE OR REPLACE FUNCTION wait_for_end(name text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE run bigint := nextval(name); ended ends;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext(name), run::int);
    LOOP
        SELECT * INTO ended FROM ends WHERE test = name;
        EXIT WHEN FOUND;
        PERFORM pg_sleep(0.02);
    END LOOP;
    IF ended.exit_status <> 0 THEN RAISE EXCEPTION 'exit status %', ended.exit_status; END IF;
    RETURN run;
END $$"""
"""A sequence counts the runs: what it has given is never taken back, as rows are. A lock tells that one
has not ended."""


class PostgresRig(EngineRig):
    """A test has a name, which the statements of its jobs carry."""

    unknown_id = "ss-never-seen-1"

    def __init__(self, folder: Path, url: str, cluster: Cluster | None = None) -> None:
        super().__init__(folder)
        self.url, self.cluster = url, cluster
        self.name = f"run_{abs(hash(folder)):x}"
        self._execute(f"CREATE SEQUENCE {self.name}")

    def job(self, **options: Any) -> PostgresJob:
        return PostgresJob(
            f"{self.url}?connect_timeout=2",
            "INSERT INTO done VALUES (%(test)s, wait_for_end(%(test)s))",
            {"test": self.name},
            **{"poll_interval": 0.05, **options},
        )

    def submissions(self) -> list[str]:
        ((last, called),) = self._execute(f"SELECT last_value, is_called FROM {self.name}")
        return [str(run) for run in range(1, last + 1)] if called else []

    def running(self) -> list[str]:
        rows = self._execute(
            "SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory'"
            " AND classid::bigint = hashtext(%s)::bigint & 4294967295",
            self.name,
        )
        return [str(run) for (run,) in rows]

    def committed(self) -> int:
        """How often the statement has taken effect."""
        ((count,),) = self._execute("SELECT count(*) FROM done WHERE test = %s", self.name)
        return int(count)

    def end(self, exit_status: int = 0) -> None:
        self._execute("INSERT INTO ends VALUES (%s, %s)", self.name, exit_status)

    def go_on(self) -> None:
        self._execute("DELETE FROM ends WHERE test = %s", self.name)

    def restart(self) -> None:
        assert self.cluster
        self.cluster.stop(signal.SIGQUIT)
        self.cluster.start()

    def away(self) -> AbstractContextManager[None]:
        assert self.cluster
        return self.cluster.paused()

    def _execute(self, statement: str, *values: Any) -> list[Any]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """The module's PostgreSQL."""
    with TemporaryDirectory(prefix="statestore-pg-") as folder:
        try:
            cluster = Cluster(Path(folder))
        except NoPostgreSQLError as error:
            missing("PostgreSQL", f"{REMEDY} {error}".rstrip())
        cluster.start()
        with psycopg.connect(cluster.url) as connection:
            connection.execute(SET_UP.encode())
        yield cluster
        cluster.stop()


@pytest.mark.engine
class TestPostgresJob(EngineContract):
    """The contract. A statement ends with its server: what is promised then is one effect."""

    @pytest.fixture
    def rig(self, cluster: Cluster, tmp_path: Path) -> PostgresRig:
        return PostgresRig(tmp_path, cluster.url, cluster)

    def test_a_job_survives_a_restart_of_its_system(self, rig: EngineRig, task: Attempts) -> None:
        assert isinstance(rig, PostgresRig)
        task.run_killed(rig.job(), "after get_job_status")
        rig.restart()
        assert rig.running() == []
        rig.end()
        assert task.run(rig.job()).error is None
        assert task.events[-2:] == ["terminal_resubmit", "fresh_submit"]
        assert rig.committed() == 1

    def test_killed_at_random_moments_it_takes_effect_once(
        self, rig: PostgresRig, task: Attempts
    ) -> None:
        moments = random.Random(20)
        for _ in range(20):
            attempt = task.start(rig.job())
            time.sleep(moments.uniform(0.02, 0.5))
            attempt.sigkill()
        rig.end()
        assert task.run(rig.job()).error is None
        assert (len(rig.submissions()), rig.committed()) == (1, 1)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[PostgresRig]:
    """In a database of its own on the server that the other tests use, where there is one."""
    name = f"test_jobs_{abs(hash(tmp_path)):x}"
    try:
        with postgresql() as url, psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
            own = f"{url.rpartition('/')[0]}/{name}"
            try:
                with psycopg.connect(own) as setting_up:
                    setting_up.execute(SET_UP.encode())
                yield PostgresRig(tmp_path, own)
            finally:
                connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())
    except NoPostgreSQLError:
        missing("PostgreSQL", REMEDY)


@pytest.fixture
def reserved() -> dict[str, Any]:
    """A context whose submission is reserved."""
    return {"submission": Submission("ss-test-1", 1, SubmissionState.RESERVED)}


def test_a_statement_is_run_once_and_tells_its_rows(rig: PostgresRig, attempt: Attempt) -> None:
    rig.end()
    result = rig.job().execute_resumable(attempt())
    assert (result.rows, rig.committed()) == (1, 1)


def test_of_one_token_one_statement_takes_effect(
    rig: PostgresRig, reserved: dict[str, Any]
) -> None:
    threads = [threading.Thread(target=rig.job().submit_job, args=[reserved]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()  # one statement runs, and three wait for it
    rig.end()
    until(lambda: not rig.running())
    until(lambda: rig.job().get_job_status("ss-test-1", {}) != "running")
    assert rig.job().get_job_status("ss-test-1", {}) == "succeeded"
    assert (len(rig.submissions()), rig.committed()) == (
        1,
        1,
    )  # three waited in vain


def test_what_was_declared_aborted_cannot_begin_any_more(
    rig: PostgresRig, reserved: dict[str, Any]
) -> None:
    rig.end()
    job = rig.job()
    assert job.get_job_status("ss-test-1", {}) == "aborted"
    job.submit_job(reserved)  # a request that was still on its way
    assert job.get_job_status("ss-test-1", {}) == "aborted"
    assert (rig.submissions(), rig.committed()) == ([], 0)


def test_an_error_is_told_with_its_message(rig: PostgresRig, attempt: Attempt) -> None:
    rig.end(7)
    with pytest.raises(JobFailedError, match="ended as 'failed': exit status 7"):
        rig.job().execute_resumable(attempt())
    assert rig.committed() == 0


def test_a_deferred_constraint_is_checked_before_the_end(
    rig: PostgresRig, attempt: Attempt
) -> None:
    statement = """
        CREATE TABLE parent (id int PRIMARY KEY);
        CREATE TABLE child (id int REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
        INSERT INTO child VALUES (1)"""
    job = PostgresJob(rig.url, statement, poll_interval=0.01)
    with pytest.raises(JobFailedError, match="violates foreign key constraint"):
        job.execute_resumable(attempt())


def test_quotes_and_percent_signs_arrive_as_they_are(rig: PostgresRig, attempt: Attempt) -> None:
    text = 'it\'s 100 % \\ $$ "quoted" $job$'
    rig.end()
    statement = "INSERT INTO done SELECT %s, 5 WHERE 'a%%' LIKE 'a%%'"
    PostgresJob(rig.url, statement, [text], poll_interval=0.01).execute_resumable(attempt())
    assert rig._execute("SELECT run FROM done WHERE test = %s", text) == [(5,)]


def test_a_table_that_cannot_be_used_says_so(rig: PostgresRig, attempt: Attempt) -> None:
    job = PostgresJob(rig.url, "SELECT 1", table="nowhere.jobs")
    with pytest.raises(StatestoreError, match='schema "nowhere" does not exist'):
        job.execute_resumable(attempt())
    with pytest.raises(StatestoreError, match=r"refuses the connection: .* does not exist"):
        PostgresJob(f"{rig.url}_not", "SELECT 1").execute_resumable(attempt())
