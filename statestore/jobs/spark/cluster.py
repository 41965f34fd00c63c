"""What SparkSubmitJob asks of a cluster, whichever it is."""

from typing import Any, Protocol

from statestore.jobs.polling import JobStatus
from statestore.jobs.spark.application import Application


class Cluster(Protocol):
    """Where drivers run. What asks it raises `JobSystemUnreachableError` where it does not answer."""

    @property
    def active(self) -> frozenset[str]:
        """The statuses of a driver that is still going to end."""

    @property
    def succeeded(self) -> frozenset[str]:
        """The statuses of one that has done its work."""

    @property
    def forgotten(self) -> frozenset[str]:
        """The statuses of one that the cluster does not know any more: how it ended cannot be told."""

    @property
    def submit_seconds(self) -> float:
        """How long after its reservation a driver may still appear in the cluster."""

    def submit(self, application: Application, token: str) -> Any:
        """Have a driver run; its id, None where only a search tells it."""

    def find(self, application: Application, token: str, since: str) -> Any:
        """The id of the driver with the token, submitted since then (ISO 8601; empty: ever); or None."""

    def status(self, driver: Any) -> JobStatus:
        """Its state, in the cluster's words."""

    def cancel(self, driver: Any) -> None:
        """Kill it; one that has ended, or is unknown, is left as it is."""
