"""Kubernetes: `spark-submit` makes the driver's pod, whose name is made from the token and taken once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from statestore.jobs.kubernetes import pods
from statestore.jobs.kubernetes.api import Api
from statestore.jobs.polling import JobStatus
from statestore.jobs.spark import spark_submit
from statestore.jobs.spark.application import Application
from statestore.sdk.errors import StatestoreError

_POD_NAME: Final = "spark.kubernetes.driver.pod.name"


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
                found = self.find(application, token, "")
                if found is None:  # else another attempt's pod came first
                    raise
        found = found or self.find(application, token, "")
        if found is None:
            raise StatestoreError(f"Somebody has deleted the driver {token} at once.")
        return found

    def find(self, application: Application, token: str, since: str) -> str | None:
        """The pod with the token as label."""
        path = f"/api/v1/namespaces/{self._namespace(application)}/pods"
        found = self.api.items(path, f"{pods.LABEL}={token}")
        return pods.id_of(found[0]) if found else None

    def status(self, driver: str) -> JobStatus:
        """The pod's phase, `Deleting` or `Gone`; the message is why it waits or has failed."""
        namespace, name, uid = pods.parts_of(driver)
        pod = self.api.get(f"/api/v1/namespaces/{namespace}/pods/{name}")
        if pod is None or pod["metadata"]["uid"] != uid:
            return JobStatus(pods.GONE)
        if pods.is_deleting(pod, pods.ended_at(pod)):
            return JobStatus(pods.DELETING)
        phase = pod["status"].get("phase", "Pending")
        message = pods.why_failed(pod, self.api) if phase == "Failed" else pods.why_waiting(pod)
        return JobStatus(phase, message=message)

    def cancel(self, driver: str) -> None:
        """Delete the pod, and with it its executors; one that has ended, or is gone, is left as it is."""
        if self.status(driver) in self.active:
            namespace, name, uid = pods.parts_of(driver)
            self.api.delete(f"/api/v1/namespaces/{namespace}/pods/{name}", uid)

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
            token,
            master=self.master,
            command=os.fspath(self.spark_submit),
            options={
                "principal": self.principal,
                "keytab": self.keytab,
                "proxy_user": self.proxy_user,
                "properties_file": self.properties_file,
            },
            conf=own,
        )
        login = {"KUBECONFIG": self.kubeconfig} if self.kubeconfig else {}
        environment = {**self.environment, **login}
        spark_submit.run(line, timeout=self.submit_timeout, environment=environment)

    def _namespace(self, application: Application) -> str:
        named = self.namespace or application.conf.get("spark.kubernetes.namespace")
        return named or self.api.namespace
