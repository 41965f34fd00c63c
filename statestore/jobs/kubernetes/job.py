"""A Job of Kubernetes (batch/v1). Its name is made from the token, and the API server takes a name once, so
that a Job is found again, and never made twice."""

import copy
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self, Unpack

import yaml

from statestore.jobs.forgotten import require_seen_end
from statestore.jobs.kubernetes import pods
from statestore.jobs.kubernetes.api import Api, Json
from statestore.jobs.polling import JobStatus, Options, PollingJob
from statestore.sdk.deciding import Context
from statestore.sdk.errors import JobSystemUnreachableError, StatestoreError

COMPLETE: Final = "Complete"
FAILED: Final = "Failed"

_SHORTEST_TTL: Final = 300  # seconds


@dataclass(frozen=True, slots=True)
class KubernetesResult:
    """What is left of a Job that is complete."""

    message: str | None
    """What the pod that ended last has written to its termination message file (`/dev/termination-log`)."""
    log: str | None
    """The last lines of that pod's log, where it is still there."""


class KubernetesJob(PollingJob):
    """Runs a Job, as it is written for `kubectl`.

    KubernetesJob("report.yaml")
    KubernetesJob.from_image("registry.example.com/report:3", ["report", "--day", "2026-11-20"])

    Args:
        manifest: the Job, or the path of a file (YAML or JSON) that holds it. The token is appended to its
            name; `restartPolicy` is `Never` where it is left out.
        namespace: by default the manifest's own, else that of the kubeconfig's context, or of the pod
            that this runs in.
        kubeconfig: the path of a kubeconfig; by default what `kubectl` takes: KUBECONFIG,
            `~/.kube/config`, and in a pod its service account.
        cluster_context: the context of the kubeconfig; by default its current one.
        timeout: seconds without an answer after which the API server counts as unreachable.
        options: those of every `PollingJob`. `on_unknown` also says what becomes of a Job that is gone
            before anybody saw its end.
    """

    active = frozenset({"Pending", "Running", "Suspended", pods.DELETING})
    succeeded = frozenset({COMPLETE})
    submit_seconds = 0.0  # a name is taken once

    def __init__(
        self,
        manifest: Mapping[str, Any] | str | os.PathLike[str],
        *,
        namespace: str | None = None,
        kubeconfig: str | os.PathLike[str] | None = None,
        cluster_context: str | None = None,
        timeout: float = 30.0,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(**options)
        self.manifest = _checked(manifest if isinstance(manifest, Mapping) else _read(manifest))
        self.namespace = namespace or (self.manifest.get("metadata") or {}).get("namespace")
        file = None if kubeconfig is None else os.fspath(kubeconfig)
        self.api = Api(kubeconfig=file, context=cluster_context, timeout=timeout)

    @classmethod
    def from_image(
        cls,
        image: str,
        command: Sequence[str] = (),
        *,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        resources: Mapping[str, Any] | None = None,
        name: str = "job",
        service_account: str | None = None,
        backoff_limit: int = 0,
        **options: Any,
    ) -> Self:
        """A Job of one container.

        Args:
            image: what to run.
            command: instead of the image's entrypoint.
            arguments: of the entrypoint.
            environment: variables.
            resources: `{"requests": {"cpu": "500m"}, "limits": {"memory": "1Gi"}}`.
            name: what the Job's name begins with.
            service_account: of the pod.
            backoff_limit: how often Kubernetes runs a pod again that has failed. The task's retries come
                on top.
            options: those of the class.
        """
        container = {
            "name": "main",
            "image": image,
            "command": list(command),
            "args": list(arguments),
            "env": [{"name": key, "value": value} for key, value in (environment or {}).items()],
            "resources": dict(resources or {}),
        }
        pod = {"containers": [container]}
        account = {"serviceAccountName": service_account} if service_account else {}
        spec = {"backoffLimit": backoff_limit, "template": {"spec": {**pod, **account}}}
        return cls({"metadata": {"name": name}, "spec": spec}, **options)

    def submit_job(self, context: Context) -> str:
        """Create the Job; its id is `namespace/name/uid`."""
        token = context["submission"].token
        job = self._described(token)
        name, namespace = job["metadata"]["name"], job["metadata"]["namespace"]
        found = self.api.create(_path(namespace), job)
        if found is None:  # an earlier request with this token came first
            found = self.api.get(_path(namespace, name))
            if found is None:
                raise JobSystemUnreachableError(f"Somebody deletes Job {name} at this moment.")
            if found["metadata"].get("labels", {}).get(pods.LABEL) != token:
                raise StatestoreError(
                    f"There is another Job {name} in namespace {namespace}, of somebody else: give this one"
                    " another name."
                )
        return pods.id_of(found)

    def find_job(self, token: str, context: Context) -> str | None:
        """The Job with the token as label."""
        found = self.api.items(_path(self._namespace()), f"{pods.LABEL}={token}")
        return pods.id_of(found[0]) if found else None

    def get_job_status(self, external_id: str, context: Context) -> JobStatus:
        """The Job's last condition, `Pending` or `Running`, `Deleting` or `Gone`, with how many of its
        completions are done."""
        job = self._job(external_id)
        if job is None:
            return self._without_job(external_id, context)
        status, spec = job.get("status", {}), job["spec"]
        conditions = {
            each["type"]: each for each in status.get("conditions", []) if each["status"] == "True"
        }
        total = spec.get("completions") or 1
        done = {"current": status.get("succeeded", 0), "total": total, "unit": "completions"}
        progress: dict[str, Any] = done if total > 1 else {}
        complete, failed = conditions.get(COMPLETE), conditions.get(FAILED)
        if pods.is_deleting(job, complete["lastTransitionTime"] if complete else None):
            return JobStatus(pods.DELETING, **progress)
        if complete:
            return JobStatus(COMPLETE, **progress)
        if failed:
            return JobStatus(FAILED, message=self._why(external_id, failed), **progress)
        if spec.get("suspend"):
            return JobStatus("Suspended", **progress)
        if status.get("ready"):
            return JobStatus("Running", **progress)
        found = self._pods(external_id)
        if any(pod["status"].get("phase") == "Running" for pod in found):
            return JobStatus("Running", **progress)
        reasons = filter(None, map(pods.why_waiting, found))
        return JobStatus("Pending", message=next(reasons, None), **progress)

    def get_job_result(self, external_id: str, context: Context) -> KubernetesResult | None:
        """Its last words; None where its pods are gone."""
        done = [pod for pod in self._pods(external_id) if pod["status"]["phase"] == "Succeeded"]
        if not done:
            return None
        last = max(done, key=lambda pod: pods.ended_at(pod) or "")
        return KubernetesResult(pods.message_of(last), pods.log_of(last, self.api))

    def cancel_job(self, external_id: str, context: Context) -> None:
        """Delete the Job, after its pods; one that has ended, or is gone, is left as it is."""
        job = self._job(external_id)
        conditions = (job or {}).get("status", {}).get("conditions", [])
        if any(each["type"] in {COMPLETE, FAILED} for each in conditions):
            return
        namespace, name, uid = pods.parts_of(external_id)
        self.api.delete(_path(namespace, name), uid)

    def _described(self, token: str) -> Json:
        """The Job with its name, namespace and labels."""
        job: Json = {"apiVersion": "batch/v1", "kind": "Job", **copy.deepcopy(self.manifest)}
        metadata = job["metadata"] = job.get("metadata") or {}
        prefix = metadata.get("name") or metadata.pop("generateName", "")
        metadata |= {"name": pods.name_of(prefix, token), "namespace": self._namespace()}
        template = job["spec"]["template"]
        template["spec"].setdefault("restartPolicy", "Never")
        template["metadata"] = template.get("metadata") or {}
        for labelled in (metadata, template["metadata"]):
            labelled["labels"] = {**(labelled.get("labels") or {}), pods.LABEL: token}
        return job

    def _namespace(self) -> str:
        return self.namespace or self.api.namespace

    def _job(self, external_id: str) -> Json | None:
        namespace, name, uid = pods.parts_of(external_id)
        found = self.api.get(_path(namespace, name))
        return found if found is not None and found["metadata"]["uid"] == uid else None

    def _pods(self, external_id: str) -> list[Json]:
        namespace, _, uid = pods.parts_of(external_id)
        return self.api.items(f"/api/v1/namespaces/{namespace}/pods", f"controller-uid={uid}")

    def _without_job(self, external_id: str, context: Context) -> JobStatus:
        if not all(map(pods.has_ended, self._pods(external_id))):
            return JobStatus(pods.DELETING)  # by `kubectl delete`: its pods end a while later
        require_seen_end(self, external_id, context, f"Job {external_id} is gone")
        return JobStatus(pods.GONE)

    def _why(self, external_id: str, condition: Json) -> str:
        because = f"{condition.get('reason')}: {condition.get('message')}"
        failed = [pod for pod in self._pods(external_id) if pod["status"]["phase"] == "Failed"]
        if not failed:
            return because
        last = max(failed, key=lambda pod: pods.ended_at(pod) or "")
        return f"{because}. {last['metadata']['name']}: {pods.why_failed(last, self.api)}"


def _path(namespace: str, name: str = "") -> str:
    return f"/apis/batch/v1/namespaces/{namespace}/jobs{'/' if name else ''}{name}"


def _read(file: str | os.PathLike[str]) -> Mapping[str, Any]:
    found = [each for each in yaml.safe_load_all(Path(file).read_text(encoding="utf-8")) if each]
    if len(found) != 1 or not isinstance(found[0], Mapping):
        raise ValueError(f"{os.fspath(file)} holds {len(found)} documents: one Job is wanted")
    return found[0]


def _checked(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    kind = manifest.get("kind", "Job")
    version = manifest.get("apiVersion", "batch/v1")
    if (kind, version) != ("Job", "batch/v1"):
        raise ValueError(f"the manifest is of a {version} {kind}: a batch/v1 Job is wanted")
    try:
        containers = manifest["spec"]["template"]["spec"]["containers"]
    except (KeyError, TypeError):
        containers = None
    if not containers:
        raise ValueError("the manifest has no spec.template.spec.containers")
    ttl = manifest["spec"].get("ttlSecondsAfterFinished")
    if ttl is not None and ttl < _SHORTEST_TTL:
        raise ValueError(
            f"ttlSecondsAfterFinished is {ttl}: a Job that is gone before the next attempt has seen its end"
            f" would be run again. Take at least {_SHORTEST_TTL}, or leave it out."
        )
    return manifest
