"""One Spark application, run by Airflow's own operator and by ours.

A worker of each is killed once, between submitting and storing the driver's id.
"""

import json
import os
import signal
from pathlib import Path
from typing import Any

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import DAG, BaseOperator

from statestore.integrations.airflow import JobOperatorMixin
from statestore.jobs.spark import Application, SparkSubmitJob, Standalone

TOLD = json.loads(os.environ["TEST_SPARK"])
FOLDER = Path(TOLD["folder"])
RETRY = {"retries": 3, "retry_delay": 0.1}


class Gap:
    """Dies in the gap, once; the drivers end when one is waited for."""

    def submit_job(self, context: Any) -> Any:
        external_id = super().submit_job(context)  # type: ignore[misc]
        killed = FOLDER / f"{context['ti'].dag_id}-killed"
        if not killed.exists():
            killed.write_text(external_id)
            os.kill(
                os.getppid(), signal.SIGKILL
            )  # Airflow's worker, which looks after this process
            os.kill(os.getpid(), signal.SIGKILL)
        return external_id

    def poll_until_complete(self, external_id: Any, context: Any) -> None:
        (FOLDER / "end").write_text("0")
        super().poll_until_complete(external_id, context)  # type: ignore[misc]


class Theirs(Gap, SparkSubmitOperator):  # type: ignore[misc]  # Airflow is not here
    """Airflow's, which stores the driver's id in Airflow's task state store."""


class Job(Gap, SparkSubmitJob):
    """Ours."""


class Ours(JobOperatorMixin, BaseOperator):  # type: ignore[misc]  # nor is this
    """The operator of our job class."""

    def job(self, context: Any) -> Job:
        """Describe the job."""
        application = Application(
            application=TOLD["jar"],
            main_class="Wait",
            application_args=[TOLD["folder"]],
            driver_memory="64m",
            driver_java_options=TOLD["java_options"],
        )
        master = Standalone(
            master=TOLD["master"], rest_port=TOLD["rest_port"], web_port=TOLD["web_port"]
        )
        return Job(application, master=master, poll_interval=1, submit_seconds=5)


with DAG("theirs", schedule=None):
    Theirs(
        task_id="report",
        application=TOLD["jar"],
        java_class="Wait",
        application_args=[TOLD["folder"]],
        driver_memory="64m",
        conf={"spark.driver.extraJavaOptions": TOLD["java_options"]},
        deploy_mode="cluster",
        **RETRY,
    )

with DAG("ours", schedule=None):
    Ours(task_id="report", **RETRY)
