"""KubernetesJob, on a real Kubernetes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from statestore.jobs.polling import PollingJob
from statestore.sdk import (
    JobFailedError,
    JobSystemUnreachableError,
    StatestoreError,
    Submission,
    SubmissionState,
)
from tests.engines.kubernetes import Kubernetes
from tests.jobs.attempts import Attempts, until
from tests.jobs.contract import WAIT_FOR_END, EngineContract
from tests.jobs.kubernetes_rigs import KubernetesRig

pytestmark = pytest.mark.engine

CONTEXT = {"submission": Submission("ss-by-hand-1", 1, SubmissionState.RESERVED)}


class JobRig(KubernetesRig):
    """Jobs of one pod."""

    role, resource, path = "statestore-jobs", "jobs", "/apis/batch/v1"

    def job(self, script: str = WAIT_FOR_END, **options: Any) -> Any:
        from statestore.jobs.kubernetes import KubernetesJob

        return KubernetesJob.from_image(
            "shell",
            arguments=["-c", script, str(self.folder)],
            name="report",
            **self.options(**options),
        )

    def written(self, spec: dict[str, Any], script: str = WAIT_FOR_END, **options: Any) -> Any:
        """A job that is written as for kubectl."""
        from statestore.jobs.kubernetes import KubernetesJob

        container = {"name": "main", "image": "shell", "args": ["-c", script, str(self.folder)]}
        template = {"spec": {"containers": [container]}}
        manifest = {"metadata": {"name": "report"}, "spec": {"template": template, **spec}}
        return KubernetesJob(manifest, **self.options(**options))

    def options(self, **options: Any) -> dict[str, Any]:
        """What every job of a test has."""
        own = {"namespace": self.namespace, "kubeconfig": self.kubernetes.user}
        return {**own, "timeout": 3, "poll_interval": 0.05, **options}

    def has_ended(self, status: dict[str, Any]) -> bool:
        ends = {"Complete", "Failed"}
        return any(each["type"] in ends for each in status.get("conditions", []))

    def delete(self, job: str, how: str) -> None:
        """As a person does with `kubectl delete`."""
        namespace, name, _ = job.split("/")
        path = f"{self.path}/namespaces/{namespace}/jobs/{name}?propagationPolicy={how}"
        assert self.kubernetes.delete(path)


@pytest.fixture
def rig(kubernetes: Kubernetes, tmp_path: Path) -> JobRig:
    return JobRig(tmp_path, kubernetes)


class TestKubernetesJob(EngineContract):
    """The contract."""


def test_its_result_is_its_termination_message_and_the_end_of_its_log(rig: JobRig) -> None:
    job = rig.job("for n in $(seq 30); do echo line $n; done; echo 42 rows > /dev/termination-log")
    external_id = job.submit_job(CONTEXT)
    job.poll_until_complete(external_id, {})
    result = job.get_job_result(external_id, {})
    assert result.message == "42 rows\n"
    assert result.log.splitlines() == [f"line {n}" for n in range(21, 31)]


def test_a_failure_says_why(rig: JobRig) -> None:
    job = rig.job("echo no such table >&2; exit 3")
    external_id = job.submit_job(CONTEXT)
    said = r"BackoffLimitExceeded.*report-ss-by-hand-1-.*exit status 3.*no such table"
    with pytest.raises(JobFailedError, match=said):
        job.poll_until_complete(external_id, {})


def test_its_completions_are_its_progress(rig: JobRig, task: Attempts) -> None:
    script = f"mkdir $0/first 2>/dev/null && exit 0; {WAIT_FOR_END}"
    job = rig.written({"completions": 3, "parallelism": 3, "backoffLimit": 0}, script)
    attempt = task.start(job)
    until(lambda: task.keys().get("progress", {}).get("current") == 1)
    assert task.keys()["progress"] == {
        "current": 1, "total": 3, "unit": "completions", "status": "running",
    }  # fmt: skip
    rig.end()
    assert attempt.outcome().error is None
    assert task.keys()["progress"]["current"] == 3
    assert task.keys()["progress"]["status"] == "done"


@pytest.mark.parametrize(
    ("container", "reason"),
    [
        ({"image": "nowhere"}, "ErrImagePull: there is no image nowhere"),
        ({"resources": {"requests": {"cpu": "1000"}}}, "Unschedulable: 0/1 nodes are available"),
    ],
)
def test_a_job_that_cannot_start_tells_why(
    rig: JobRig, container: dict[str, Any], reason: str
) -> None:
    pod = {"containers": [{"name": "main", "image": "shell", **container}]}
    job = rig.written({"template": {"spec": pod}})
    external_id = job.submit_job(CONTEXT)
    until(lambda: job.get_job_status(external_id, {}).message)
    status = job.get_job_status(external_id, {})
    assert status == "Pending"
    assert status.message.startswith(reason)


def test_a_job_of_somebody_else_with_its_name_is_not_taken_for_it(rig: JobRig) -> None:
    pod = {"containers": [{"name": "main", "image": "shell"}], "restartPolicy": "Never"}
    other = {"metadata": {"name": "report-ss-by-hand-1"}, "spec": {"template": {"spec": pod}}}
    rig.kubernetes.create(f"{rig.path}/namespaces/{rig.namespace}/jobs", other)
    job = rig.job()
    assert job.find_job("ss-by-hand-1", {}) is None
    with pytest.raises(StatestoreError, match="another Job report-ss-by-hand-1"):
        job.submit_job(CONTEXT)


def test_a_second_submission_of_a_token_gives_the_same_job(rig: JobRig) -> None:
    external_id = rig.job().submit_job(CONTEXT)
    assert rig.job().submit_job(CONTEXT) == external_id
    assert rig.submissions() == [external_id]


def test_a_write_that_another_one_crossed_is_sent_again(rig: JobRig) -> None:
    """As one that finds its quota changed; here a pod is bound that has a node already."""
    from statestore.jobs.kubernetes.api import Api

    rig.job().submit_job(CONTEXT)
    pods = f"/api/v1/namespaces/{rig.namespace}/pods"
    until(lambda: [pod for pod in rig.kubernetes.get(pods)["items"] if "nodeName" in pod["spec"]])
    name = rig.kubernetes.get(pods)["items"][0]["metadata"]["name"]
    binding = {"metadata": {"name": name}, "target": {"kind": "Node", "name": "node"}}
    api = Api(kubeconfig=str(rig.kubernetes.admin))
    with pytest.raises(JobSystemUnreachableError, match=r"409: .*already assigned to node"):
        api.create(f"{pods}/{name}/binding", binding)
    rig.end()


@pytest.mark.parametrize("how", ["Background", "Foreground"])
def test_a_job_that_somebody_deletes_is_waited_for_until_its_pods_have_ended(
    rig: JobRig, how: str
) -> None:
    """Its pod takes a while to end, and then ends well, which is no success."""
    job = rig.job('trap "sleep 2; exit 0" TERM; touch $0/trapped; while :; do sleep 0.1; done')
    external_id = job.submit_job(CONTEXT)
    until((rig.folder / "trapped").exists)
    rig.delete(external_id, how)
    seen = [str(job.get_job_status(external_id, {}))]
    while seen[-1] != "Gone":
        assert seen[-1] in {"Running", "Deleting"}
        assert job.is_job_active(seen[-1])
        seen.append(str(job.get_job_status(external_id, {})))
    assert "Deleting" in seen


def test_a_success_that_is_deleted_afterwards_is_a_success(rig: JobRig, task: Attempts) -> None:
    rig.end()
    first = task.run(rig.job())
    (external_id,) = rig.submissions()
    rig.delete(external_id, "Background")
    until(lambda: rig.job().get_job_status(external_id, {}) == "Gone")
    assert task.run(rig.job()).error is None
    assert rig.submissions() == [external_id]
    assert first.error is None


def test_on_unknown_says_what_becomes_of_a_job_whose_end_nobody_saw(rig: JobRig) -> None:
    job: PollingJob = rig.job(on_unknown="fail")
    with pytest.raises(StatestoreError, match="nobody saw its end"):
        job.get_job_status(rig.unknown_id, {})


def test_a_failure_that_was_seen_is_no_unknown_end(rig: JobRig, task: Attempts) -> None:
    assert task.run(rig.job("exit 3", on_unknown="fail")).error == "JobFailedError"
    (failed,) = rig.submissions()
    rig.delete(failed, "Background")
    until(lambda: rig.job().get_job_status(failed, {}) == "Gone")
    rig.end()
    outcome = task.run(rig.job(on_unknown="fail"))
    assert outcome.error is None, outcome
    assert len(rig.submissions()) == 2


def test_a_job_is_read_from_a_file(rig: JobRig, tmp_path: Path) -> None:
    from statestore.jobs.kubernetes import KubernetesJob

    (tmp_path / "job.yaml").write_text(
        """\
        apiVersion: batch/v1
        kind: Job
        metadata: {generateName: Daily_Report-, labels: {team: sales}}
        spec:
          template:
            metadata:
            spec:
              containers: [{name: main, image: shell, args: ["-c", "exit 0"]}]
        """
    )
    job = KubernetesJob(tmp_path / "job.yaml", **rig.options())
    external_id = job.submit_job(CONTEXT)
    namespace, name, _ = external_id.split("/")
    assert name == "daily-report-ss-by-hand-1"
    made = rig.kubernetes.get(f"{rig.path}/namespaces/{namespace}/jobs/{name}")
    assert made["metadata"]["labels"] == {"team": "sales", "statestore-submission": "ss-by-hand-1"}
    job.poll_until_complete(external_id, {})


@pytest.mark.parametrize(
    ("manifest", "problem"),
    [
        ({"kind": "CronJob"}, "a batch/v1 Job is wanted"),
        ({"spec": {"template": {}}}, "no spec.template.spec.containers"),
        ("ttl", "gone before the next attempt"),
    ],
)
def test_a_manifest_that_cannot_be_run_is_refused(rig: JobRig, manifest: Any, problem: str) -> None:
    from statestore.jobs.kubernetes import KubernetesJob

    if manifest == "ttl":
        spec = rig.job().manifest["spec"]
        manifest = {"spec": {**spec, "ttlSecondsAfterFinished": 0}}
    with pytest.raises(ValueError, match=problem):
        KubernetesJob(manifest)


@pytest.fixture
def no_login(rig: JobRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing tells who we are."""
    from statestore.jobs.kubernetes import api

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    api._log_in.cache_clear()
    yield
    api._log_in.cache_clear()


@pytest.mark.parametrize("how", ["a plugin", "a file", "a service account"])
@pytest.mark.usefixtures("no_login")
def test_who_it_is_can_be_told_by(
    rig: JobRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    from kubernetes.config import incluster_config

    from statestore.jobs.kubernetes import KubernetesJob, api

    told = json.loads(rig.kubernetes.user.read_text())
    user = told["users"][0]["user"]
    (tmp_path / "token").write_text(user.pop("token"))
    if how == "a service account":
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(rig.kubernetes.port))
        certificate = told["clusters"][0]["cluster"]["certificate-authority"]
        (tmp_path / "namespace").write_text(rig.namespace)
        monkeypatch.setattr(api, "_NAMESPACE", tmp_path / "namespace")
        monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
        monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", certificate)
    elif how == "a plugin":
        version = "client.authentication.k8s.io/v1"
        login = {"apiVersion": version, "kind": "ExecCredential", "status": {}}
        login["status"] = {"token": (tmp_path / "token").read_text()}
        user["exec"] = {"apiVersion": version, "command": "echo", "args": [json.dumps(login)]}
    else:
        user["tokenFile"] = str(tmp_path / "token")
    told["contexts"][0]["context"]["namespace"] = rig.namespace
    (tmp_path / "kubeconfig").write_text(json.dumps(told))
    kubeconfig = None if how == "a service account" else tmp_path / "kubeconfig"
    job = KubernetesJob.from_image("shell", arguments=["-c", "exit 0"], kubeconfig=kubeconfig)
    assert job.submit_job(CONTEXT) in rig.submissions()


def test_a_login_that_was_renewed_is_taken_up(rig: JobRig, tmp_path: Path) -> None:
    told = json.loads(rig.kubernetes.user.read_text())
    good = told["users"][0]["user"]["token"]
    told["users"][0]["user"]["token"] = "run out"
    (tmp_path / "kubeconfig").write_text(json.dumps(told))
    job = rig.job(kubeconfig=tmp_path / "kubeconfig")
    with pytest.raises(StatestoreError, match="401") as refused:
        job.find_job("ss-by-hand-1", {})
    assert not isinstance(refused.value, JobSystemUnreachableError)  # asking again mends nothing
    told["users"][0]["user"]["token"] = good
    (tmp_path / "kubeconfig").write_text(json.dumps(told))
    assert job.find_job("ss-by-hand-1", {}) is None


@pytest.mark.usefixtures("no_login")
def test_without_a_login_it_says_what_to_do(rig: JobRig) -> None:
    with pytest.raises(StatestoreError, match="Name a kubeconfig"):
        rig.job(kubeconfig=None).find_job("ss-by-hand-1", {})


def test_an_id_of_another_system_is_refused(rig: JobRig) -> None:
    with pytest.raises(StatestoreError, match="namespace/name/uid"):
        rig.job().get_job_status("driver-20200101000000-0000", {})


def test_without_a_right_the_attempt_fails_with_the_server_s_words(rig: JobRig) -> None:
    job = rig.job(namespace="default")
    with pytest.raises(StatestoreError, match='cannot create resource "jobs"'):
        job.submit_job(CONTEXT)
