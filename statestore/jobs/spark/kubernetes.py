"""Kubernetes: `spark-submit` makes the driver's pod, whose name is made from the token and taken once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from statestore.jobs.kubernetes import pods
from statestore.jobs.kubernetes.api import Api, Json
from statestore.jobs.polling import JobStatus
from statestore.jobs.spark import spark_submit
from statestore.jobs.spark.application import TOKEN_PROPERTY, Application
from statestore.sdk.errors import StatestoreError

INCOMPLETE: Final = "Incomplete"
"""Its `spark-submit` was ended before it had made all that the driver needs: it has never run."""

_POD_NAME: Final = "spark.kubernetes.driver.pod.name"
_CONF_VOLUME: Final = "spark-conf-volume-driver"
"""Spark's own name for the volume with the driver's properties."""


@dataclass(frozen=True, kw_only=True)
class Kubernetes:
    """The cluster of `master`, which is `k8s://https://HOST:PORT` as Spark itself is given it.

    `spark-submit` and we log in as `kubectl` does. The image is the application's property
    `spark.kubernetes.container.image`. `principal`, `keytab`, `proxy_user` and `properties_file` are
    options of `spark-submit` of these names.
    """

    active = frozenset({"Pending", "Running", "Unknown", pods.DELETING})
    succeeded = frozenset({"Succeeded"})
    forgotten = frozenset({pods.GONE})
    submit_seconds = 0.0  # a name is taken once

    master: str
    namespace: str | None = None
    """By default the application's `spark.kubernetes.namespace`, else that of the kubeconfig's context."""
    kubeconfig: str | None = None
    """The path of a kubeconfig; by default KUBECONFIG, `~/.kube/config`, and in a pod its service account."""
    cluster_context: str | None = None
    """The context of the kubeconfig; by default its current one."""
    principal: str | None = None
    keytab: str | None = None
    proxy_user: str | None = None
    properties_file: str | None = None
    spark_submit: str | os.PathLike[str] = "spark-submit"
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables for `spark-submit`, beside those of the worker."""
    submit_timeout: float = 120.0
    """Seconds that `spark-submit` may take, uploads included; then it is killed."""
    timeout: float = 30.0
    """Seconds without an answer after which the API server counts as unreachable."""

    @property
    def api(self) -> Api:
        """The API server, asked as `kubectl` would."""
        server = self.master.removeprefix("k8s://")
        return Api(
            kubeconfig=self.kubeconfig,
            context=self.cluster_context,
            server=server if "://" in server else f"https://{server}",
            timeout=self.timeout,
        )

    def submit(self, application: Application, token: str) -> str:
        """Have `spark-submit` make the driver's pod; its id is `namespace/pod/uid`."""
        found = self.find(application, token, "")  # costs no Java where the server is away
        if found is None:
            try:
                self._spark_submit(application, token)
            except spark_submit.SparkSubmitError:
                pod = self._pod(application, token)
                # Another attempt's may have come first. Its own, which it could not complete, it deletes.
                if pod is None or "deletionTimestamp" in pod["metadata"]:
                    raise
                found = pods.id_of(pod)
        found = found or self.find(application, token, "")
        if found is None:
            raise StatestoreError(f"Somebody has deleted the driver {token} at once.")
        return found

    def find(self, application: Application, token: str, since: str) -> str | None:
        """The pod with the token as label; one that can never start is deleted, and not found."""
        pod = self._pod(application, token)
        if pod is None or self._lacks(pod):
            return None
        return pods.id_of(pod)

    def status(self, driver: str) -> JobStatus:
        """The pod's phase, `Deleting`, `Gone` or `Incomplete`; the message is why it waits or has failed.

        A pod that is `Incomplete` can never start, and is deleted.
        """
        namespace, name, uid = pods.parts_of(driver)
        pod = self.api.get(_path(namespace, name))
        if pod is None or pod["metadata"]["uid"] != uid:
            return JobStatus(pods.GONE)
        if lacking := self._lacks(pod):
            said = f"spark-submit was ended before it made the ConfigMap {lacking}: the pod was deleted"
            return JobStatus(INCOMPLETE, message=said)
        if pods.is_deleting(pod, pods.ended_at(pod)):
            return JobStatus(pods.DELETING)
        phase = pod["status"].get("phase", "Pending")
        message = pods.why_failed(pod, self.api) if phase == "Failed" else pods.why_waiting(pod)
        return JobStatus(phase, message=message)

    def cancel(self, driver: str) -> None:
        """Delete the pod, and with it its executors; one that has ended, or is gone, is left as it is."""
        if self.status(driver) in self.active:
            namespace, name, uid = pods.parts_of(driver)
            self.api.delete(_path(namespace, name), uid)

    def _pod(self, application: Application, token: str) -> Json | None:
        path = _path(self._namespace(application))
        return next(iter(self.api.items(path, f"{pods.LABEL}={token}")), None)

    def _lacks(self, pod: Json) -> str | None:
        """The ConfigMap that nobody makes any more for a pod, which is deleted then; else None.

        `spark-submit` makes the pod first, then what it mounts. Killed in between, it leaves a pod that
        would wait for ever.
        """
        metadata = pod["metadata"]
        began = datetime.fromisoformat(metadata["creationTimestamp"])
        age = (datetime.now(UTC) - began).total_seconds()
        if pod["status"].get("phase", "Pending") != "Pending" or age < self.submit_timeout:
            return None
        volumes = {each["name"]: each for each in pod["spec"].get("volumes", [])}
        name = volumes.get(_CONF_VOLUME, {}).get("configMap", {}).get("name")
        namespace = metadata["namespace"]
        if name is None or self.api.get(f"/api/v1/namespaces/{namespace}/configmaps/{name}"):
            return None
        self.api.delete(_path(namespace, metadata["name"]), metadata["uid"], at_once=True)
        return str(name)

    def _spark_submit(self, application: Application, token: str) -> None:
        if _POD_NAME in application.conf:
            raise StatestoreError(f"{_POD_NAME} cannot be chosen: the token is in that name.")
        name = application.name or application.main_class or application.application
        own = {
            "spark.kubernetes.namespace": self._namespace(application),
            _POD_NAME: pods.name_of(name.rpartition("/")[2], token, "-driver"),
            f"spark.kubernetes.driver.label.{pods.LABEL}": token,
            "spark.kubernetes.submission.waitAppCompletion": "false",
        }
        if self.cluster_context:
            own["spark.kubernetes.context"] = self.cluster_context
        for variable, value in application.env_vars.items():
            own[f"spark.kubernetes.driverEnv.{variable}"] = value
        line = spark_submit.command_line(
            application,
            master=self.master,
            command=os.fspath(self.spark_submit),
            options={
                "principal": self.principal,
                "keytab": self.keytab,
                "proxy_user": self.proxy_user,
            },
        )
        login = {"KUBECONFIG": self.kubeconfig} if self.kubeconfig else {}
        environment = {**self.environment, **login}
        spark_submit.submit(
            line,
            properties={**application.conf, **own, TOKEN_PROPERTY: token},
            properties_file=self.properties_file,
            timeout=self.submit_timeout,
            environment=environment,
        )

    def _namespace(self, application: Application) -> str:
        named = self.namespace or application.conf.get("spark.kubernetes.namespace")
        return named or self.api.namespace


def _path(namespace: str, name: str = "") -> str:
    return f"/api/v1/namespaces/{namespace}/pods{'/' if name else ''}{name}"
