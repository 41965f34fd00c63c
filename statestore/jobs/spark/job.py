"""A Spark application as an external job, on whichever cluster."""

from typing import Any, Unpack

from statestore.jobs.forgotten import require_seen_end
from statestore.jobs.polling import JobStatus, Options, PollingJob
from statestore.jobs.spark.application import Application
from statestore.jobs.spark.cluster import Cluster
from statestore.jobs.spark.standalone import Standalone
from statestore.jobs.spark.yarn import Yarn
from statestore.sdk.deciding import Context


class SparkSubmitJob(PollingJob):
    """Runs an application, with its driver in the cluster (`--deploy-mode cluster`).

    SparkSubmitJob(
        Application(application="/apps/report.jar", main_class="Report", executor_memory="4g"),
        master="spark://a:7077,b:7077",
    )

    Args:
        application: what to run, in the words of `spark-submit`.
        master: where: `spark://…`, `yarn` or `k8s://…`, as `spark-submit` takes it; or a `Standalone`, `Yarn`
            or `Kubernetes`, which says more.
        options: those of every `PollingJob`. `on_unknown` also says what becomes of a driver that the cluster
            has forgotten, or somebody has deleted, before anybody saw its end.
    """

    def __init__(
        self, application: Application, *, master: str | Cluster, **options: Unpack[Options]
    ) -> None:
        self.application = application
        self.cluster = _cluster_of(master) if isinstance(master, str) else master
        self.submit_seconds = self.cluster.submit_seconds
        super().__init__(**options)

    def submit_job(self, context: Context) -> Any:
        """Submit the application, with the token as a property of its own."""
        return self.cluster.submit(self.application, context["submission"].token)

    def find_job(self, token: str, context: Context) -> Any:
        """The driver with the token."""
        since = getattr(context.get("submission"), "reserved_at", "")
        return self.cluster.find(self.application, token, since)

    def get_job_status(self, external_id: Any, context: Context) -> JobStatus:
        """The driver's state, in the cluster's words."""
        status = self.cluster.status(external_id)
        if status in self.cluster.forgotten:
            problem = f"The cluster does not know driver {external_id} any more"
            require_seen_end(self, external_id, context, problem)
        return status

    def is_job_active(self, status: Any) -> bool:
        """Whether it is still going to end."""
        return status in self.cluster.active

    def is_job_succeeded(self, status: Any) -> bool:
        """Whether it has done its work."""
        return status in self.cluster.succeeded

    def cancel_job(self, external_id: Any, context: Context) -> None:
        """Kill the driver."""
        self.cluster.cancel(external_id)


def _cluster_of(master: str) -> Cluster:
    if master.startswith("spark://"):
        return Standalone(master=master)
    if master == "yarn":
        return Yarn()
    if master.startswith("k8s://"):
        from statestore.jobs.spark.kubernetes import Kubernetes  # noqa: PLC0415 - needs its extra

        return Kubernetes(master=master)
    raise ValueError(f"{master!r} names no cluster that is known here: spark://…, yarn or k8s://…")
