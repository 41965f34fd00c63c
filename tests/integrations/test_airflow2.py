"""Airflow 2.10, which has no state store: tasks and operators keep their state in Statestore."""

from collections.abc import Iterator

import pytest

from statestore.sdk import StateStore
from tests.integrations.airflow_environment import Airflow, airflow
from tests.server import ROOT, Server

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def airflow2(running_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    running_server.start()
    with airflow("2.10", running_server, tmp_path_factory.mktemp("airflow2")) as made:
        made.add(ROOT / "examples" / "airflow2" / "sales.py")
        yield made


def test_a_dag_goes_on_after_a_failure_and_starts_its_job_once(airflow2: Airflow) -> None:
    done = airflow2.run(f"{airflow2.dags}/sales.py:sales:fails")["sales"]
    assert done["state"] == "success"
    tries = [done["tries"][f"load[{number}]"] for number in (0, 1)]
    assert sorted(tries) == [1, 2]  # either of the two may be the first to run
    assert done["tries"]["report[-1]"] == 2
    with StateStore(airflow2.server.url, airflow2.server.token) as store:
        for number in (0, 1):
            task_store = store.task("sales", done["run_id"], "load", number).task_store
            assert task_store.get("last_page") == 10
            loaded = task_store.get("progress")["current"]  # by the last try
            assert loaded == (5 if tries[number] == 2 else 10)
        submission = store.task("sales", done["run_id"], "report").task_store.get(
            "remote_job_id.submission"
        )
    (token,) = [folder.name for folder in airflow2.jobs.iterdir()]
    assert (submission["token"], submission["generation"]) == (token, 1)
    assert submission["state"] == "finished"


def test_an_operator_takes_durable_as_an_argument(airflow2: Airflow) -> None:
    airflow2.takes_durable_as_its_own_mixin_does()


def test_a_task_that_is_killed_cancels_its_job(airflow2: Airflow) -> None:
    airflow2.kills(f"{airflow2.dags}/sales.py:sales")
