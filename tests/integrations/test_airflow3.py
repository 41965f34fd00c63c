"""Airflow 3.3 runs its own examples on Statestore, and ours."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from statestore.sdk import Entry, StateStore
from tests.integrations.airflow_environment import Airflow, airflow
from tests.server import ROOT, Server

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(1200)]

BACKEND = "statestore.integrations.airflow.StatestoreBackend"
SETTINGS = {
    "[state_store] backend": {"AIRFLOW__STATE_STORE__BACKEND": BACKEND},
    "[workers] state_store_backend": {"AIRFLOW__WORKERS__STATE_STORE_BACKEND": BACKEND},
    "both": {
        "AIRFLOW__STATE_STORE__BACKEND": BACKEND,
        "AIRFLOW__WORKERS__STATE_STORE_BACKEND": BACKEND,
    },
}
EXAMPLES = {
    "example_task_state_store": "example_task_state_store",
    "example_task_state_store_mapped": "example_task_state_store_mapped",
    "example_asset_state_store_producer": "example_asset_state_store",
    "example_asset_state_store_consumer": "example_asset_state_store",
}


@pytest.fixture(scope="module")
def airflow3(running_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    running_server.start()
    with airflow("3.3", running_server, tmp_path_factory.mktemp("airflow3")) as made:
        (package,) = made.python.parent.parent.glob("lib/python*/site-packages/airflow")
        made.add(*(package / "example_dags" / f"{name}.py" for name in set(EXAMPLES.values())))
        made.add(ROOT / "examples" / "airflow3" / "sales.py")
        yield made


@pytest.fixture
def store(airflow3: Airflow) -> Iterator[StateStore]:
    with StateStore(airflow3.server.url, airflow3.server.token) as store:
        yield store


def entries(
    store: StateStore, dag: str, run: str, task: str, map_index: int = -1
) -> dict[str, Entry]:
    return {entry.key: entry for entry in store.task(dag, run, task, map_index).task_store.items()}


@pytest.mark.parametrize("setting", SETTINGS)
def test_its_own_examples_keep_their_state(
    airflow3: Airflow, store: StateStore, setting: str
) -> None:
    orders = store.asset("orders/daily", "s3://warehouse/orders/daily")
    orders.clear()
    done = airflow3.run(
        *(f"{airflow3.dags}/{file}.py:{dag}" for dag, file in EXAMPLES.items()), **SETTINGS[setting]
    )
    assert {dag: each["state"] for dag, each in done.items()} == dict.fromkeys(EXAMPLES, "success")

    dag = "example_task_state_store"
    kept = entries(store, dag, done[dag]["run_id"], "run_job")
    assert done[dag]["tries"] == {"run_job[-1]": 2}
    assert set(kept) == {"job_id", "submitted_at", "status", "result"}
    assert kept["result"].value["job_id"] == kept["job_id"].value
    assert kept["job_id"].expires_at is None  # NEVER_EXPIRE
    expires_at = kept["status"].expires_at
    if setting == "[workers] state_store_backend":  # it is told no expiry
        assert expires_at is None
    else:
        assert expires_at is not None
        assert abs(expires_at - datetime.now(UTC) - timedelta(days=30)) < timedelta(hours=1)

    dag = "example_task_state_store_mapped"
    for number, table in enumerate(["orders", "customers", "products"]):
        kept = entries(store, dag, done[dag]["run_id"], "process_table", number)
        assert kept["status"].value == "complete"
        assert kept["result"].value["table"] == table

    assert orders.get("total_runs") == 1
    assert orders.get("last_run_summary")["completed_at"] == orders.get("watermark")


def test_our_example_goes_on_after_a_failure_and_starts_its_job_once(
    airflow3: Airflow, store: StateStore
) -> None:
    connection = {"AIRFLOW_CONN_STATESTORE_DEFAULT": connection_of(airflow3.server)}
    nowhere = {"STATESTORE_URL": "", "STATESTORE_TOKEN": ""}
    variables = {**SETTINGS["[state_store] backend"], **connection, **nowhere}
    done = airflow3.run(f"{airflow3.dags}/sales.py:sales:fails", **variables)["sales"]
    assert done["state"] == "success"
    assert sorted(done["tries"].items()) in (  # either of the mapped tasks may be the first to run
        [("check[-1]", 1), ("load[0]", 1), ("load[1]", 2), ("report[-1]", 2)],
        [("check[-1]", 1), ("load[0]", 2), ("load[1]", 1), ("report[-1]", 2)],
    )
    for number in (0, 1):
        assert entries(store, "sales", done["run_id"], "load", number)["last_page"].value == 10
    progress = entries(store, "sales", done["run_id"], "check")["progress"].value
    assert (progress["current"], progress["status"]) == (2, "done")
    (token,) = [folder.name for folder in airflow3.jobs.iterdir()]
    submission = entries(store, "sales", done["run_id"], "report")["remote_job_id.submission"]
    assert submission.value["token"] == token


def test_an_operator_takes_durable_as_an_argument(airflow3: Airflow) -> None:
    airflow3.takes_durable_as_its_own_mixin_does()


def test_a_task_that_is_killed_cancels_its_job(airflow3: Airflow) -> None:
    airflow3.kills(f"{airflow3.dags}/sales.py:sales", **SETTINGS["[state_store] backend"])


def connection_of(server: Server) -> str:
    """The server as one of Airflow's connections."""
    host, _, port = server.url.removeprefix("http://").partition(":")
    return json.dumps(
        {"conn_type": "http", "host": host, "port": int(port), "password": server.token}
    )
