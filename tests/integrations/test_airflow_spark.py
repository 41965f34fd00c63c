"""Airflow's own SparkSubmitOperator, and ours, whose worker is killed before the driver's id is stored."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.spark import SMALL, Spark
from tests.integrations.airflow_environment import airflow
from tests.integrations.airflow_services import Services, services
from tests.server import Server

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.timeout(1200),
]


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spark]:
    engine = Spark(tmp_path_factory.mktemp("spark"))
    engine.start()
    yield engine
    engine.stop()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the drivers look whether they may end."""
    return tmp_path_factory.mktemp("drivers")


@pytest.fixture(scope="module")
def airflow3(
    spark: Spark, folder: Path, running_server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Services]:
    running_server.start()
    ports = {"rest_port": spark.rest_port, "web_port": spark.web_port}
    told = {
        **ports,
        "folder": str(folder),
        "jar": f"file:{spark.jar}",
        "java_options": SMALL,
        "master": f"spark://127.0.0.1:{spark.port}",
    }
    connection = {
        "conn_type": "spark",
        "host": "spark://127.0.0.1",
        "port": spark.port,
        "extra": {"deploy-mode": "cluster", "rest-port": spark.rest_port},
    }
    with airflow("3.3", running_server, tmp_path_factory.mktemp("airflow")) as made:
        made.add(Path(__file__).parent / "dags" / "gap.py")
        with services(
            made,
            AIRFLOW_CONN_SPARK_DEFAULT=json.dumps(connection),
            PATH=f"{spark.home}/bin:{made.environment()['PATH']}",
            SPARK_HOME=str(spark.home),
            SPARK_SUBMIT_OPTS=SMALL,
            TEST_SPARK=json.dumps(told),
        ) as started:
            yield started


@pytest.mark.parametrize(("dag", "drivers"), [("theirs", 2), ("ours", 1)])
def test_killed_between_submit_and_persist(
    airflow3: Services, spark: Spark, folder: Path, dag: str, drivers: int
) -> None:
    (folder / "end").unlink(missing_ok=True)
    before = set(spark.drivers())
    ((_, tries, state),) = airflow3.run(dag)
    assert (state, tries > 1) == ("success", True), airflow3.logs()
    submitted = set(spark.drivers()) - before
    assert (folder / f"{dag}-killed").read_text() in submitted
    print(f"{dag}: {len(submitted)} drivers")  # noqa: T201 - figures for whoever looks
    assert len(submitted) == drivers, airflow3.logs()
