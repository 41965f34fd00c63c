"""SparkSubmitJob on a real Kubernetes, by a real spark-submit."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from statestore.jobs.spark import Application, SparkSubmitJob
from statestore.jobs.spark.spark_submit import SparkSubmitError
from statestore.sdk import JobFailedError, StatestoreError, Submission, SubmissionState
from tests.engines.kubernetes import Kubernetes
from tests.engines.spark import SMALL, make_jar
from tests.engines.wheels import packages_of, python_of
from tests.jobs.attempts import Attempts, until
from tests.jobs.contract import EngineContract
from tests.jobs.kubernetes_rigs import ROLES, KubernetesRig, documented_role

pytestmark = pytest.mark.engine

CONTEXT = {"submission": Submission("ss-by-hand-1", 1, SubmissionState.RESERVED)}

ENTRYPOINT = """\
shift  # the word "driver"
exec {home}/bin/spark-submit --deploy-mode client \
    --conf "spark.driver.bindAddress=$SPARK_DRIVER_BIND_ADDRESS" "$@"
"""
"""As Spark's own image has it."""


@pytest.fixture(scope="session")
def spark_image(kubernetes: Kubernetes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An image `spark`, with a jar in it."""
    home = packages_of("spark") / "pyspark"
    jar = tmp_path_factory.mktemp("spark") / "wait.jar"
    make_jar(jar)
    kubernetes.add_image("spark", ENTRYPOINT.format(home=home))
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("SPARK_SUBMIT_OPTS", SMALL)
        yield jar


class SparkRig(KubernetesRig):
    """Its only pods are drivers."""

    role, resource, path = "statestore-spark", "pods", "/api/v1"
    kill_within = 10.0

    def __init__(self, folder: Path, kubernetes: Kubernetes, jar: Path) -> None:
        super().__init__(folder, kubernetes)
        self.jar = jar

    @property
    def cluster(self) -> Any:
        return self.cluster_with()

    def cluster_with(self, **options: Any) -> Any:
        """The cluster, told more."""
        from statestore.jobs.spark.kubernetes import Kubernetes as Cluster

        return Cluster(
            master=f"k8s://{self.kubernetes.url}",
            namespace=self.namespace,
            kubeconfig=str(self.kubernetes.user),
            spark_submit=str(packages_of("spark") / "pyspark/bin/spark-submit"),
            timeout=3,
            **options,
        )

    @property
    def application(self) -> Application:
        """The one that waits."""
        return Application(
            application=f"local://{self.jar}",
            application_args=[str(self.folder)],
            main_class="Wait",
            driver_memory="64m",
            driver_java_options=SMALL,
            conf={"spark.kubernetes.container.image": "spark"},
        )

    def job(self, *, cluster: Any = None, **options: Any) -> SparkSubmitJob:
        told = {"poll_interval": 0.05, **options}
        return SparkSubmitJob(self.application, master=cluster or self.cluster, **told)

    def half_submitted(self, token: str = "ss-by-hand-1") -> str:
        """The driver of a `spark-submit` that was killed after it had made the pod."""
        name, mount = f"wait-{token}-driver", "spark-conf-volume-driver"
        container = {
            "name": "spark-kubernetes-driver",
            "image": "spark",
            "volumeMounts": [{"name": mount, "mountPath": "/opt/spark/conf"}],
        }
        config_map = {"name": mount, "configMap": {"name": "spark-drv-0-conf-map"}}
        pod = {
            "metadata": {"name": name, "labels": {"statestore-submission": token}},
            "spec": {"containers": [container], "volumes": [config_map]},
        }
        self.kubernetes.create(f"{self.path}/namespaces/{self.namespace}/pods", pod)
        uid = self.pod(f"{self.namespace}/{name}/")["metadata"]["uid"]
        return f"{self.namespace}/{name}/{uid}"

    def has_ended(self, status: dict[str, Any]) -> bool:
        return status["phase"] in {"Succeeded", "Failed"}

    def pod(self, driver: str) -> dict[str, Any]:
        """The driver's pod."""
        namespace, name, _ = driver.split("/")
        return self.kubernetes.get(f"/api/v1/namespaces/{namespace}/pods/{name}")

    def delete(self, driver: str) -> None:
        """As a person does with `kubectl delete`."""
        namespace, name, _ = driver.split("/")
        assert self.kubernetes.delete(f"/api/v1/namespaces/{namespace}/pods/{name}")


@pytest.fixture
def rig(kubernetes: Kubernetes, spark_image: Path, tmp_path: Path) -> Iterator[SparkRig]:
    rig = SparkRig(tmp_path, kubernetes, spark_image)
    yield rig
    rig.end()


class TestSparkOnKubernetes(EngineContract):
    """The contract."""


def test_the_driver_is_named_and_labelled_by_the_token(rig: SparkRig) -> None:
    driver = rig.job().submit_job(CONTEXT)
    metadata = rig.pod(driver)["metadata"]
    assert metadata["name"] == "wait-ss-by-hand-1-driver"
    assert metadata["labels"]["statestore-submission"] == "ss-by-hand-1"
    assert driver == f"{rig.namespace}/wait-ss-by-hand-1-driver/{metadata['uid']}"
    assert rig.job().submit_job(CONTEXT) == driver
    assert rig.submissions() == [driver]


def test_a_python_application_runs_in_its_pod_with_its_variables(
    rig: SparkRig, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(
        "import os, sys\nprint(os.environ['DAY'], *sys.argv[1:])\nsys.exit(4)\n"
    )
    application = Application(
        application=f"local://{tmp_path}/app.py",
        application_args=["--rows", "7"],
        driver_memory="256m",
        env_vars={"DAY": "2026-11-20", "PYSPARK_PYTHON": str(python_of("spark"))},
        conf={"spark.kubernetes.container.image": "spark"},
    )
    job = SparkSubmitJob(application, master=rig.cluster, poll_interval=0.1)
    driver = job.submit_job(CONTEXT)
    assert rig.pod(driver)["metadata"]["name"] == "app-py-ss-by-hand-1-driver"
    with pytest.raises(JobFailedError, match=r"(?s)exit status \d+.*2026-11-20 --rows 7"):
        job.poll_until_complete(driver, {})


def test_a_driver_whose_name_somebody_else_has_taken_is_not_submitted(rig: SparkRig) -> None:
    spec = {"containers": [{"name": "main", "image": "nowhere"}]}
    pod = {"metadata": {"name": "wait-ss-by-hand-1-driver"}, "spec": spec}
    rig.kubernetes.create(f"/api/v1/namespaces/{rig.namespace}/pods", pod)
    with pytest.raises(StatestoreError, match="already exists"):
        rig.job().submit_job(CONTEXT)


def test_a_failure_says_why(rig: SparkRig) -> None:
    rig.end(3)
    job = rig.job()
    driver = job.submit_job(CONTEXT)
    with pytest.raises(JobFailedError, match="exit status 3"):
        job.poll_until_complete(driver, {})


def test_a_driver_that_somebody_deletes_is_waited_for_and_is_no_success(
    rig: SparkRig, task: Attempts
) -> None:
    """It passes through the phase Failed before it is gone, and is `Deleting` all that time."""
    attempt = task.start(rig.job())
    task.has_come_to("after get_job_status", 3)
    (driver,) = rig.running()
    rig.delete(driver)
    outcome = attempt.outcome()
    assert outcome.error == "JobFailedError", outcome
    assert "ended as 'Gone'" in outcome.message
    rig.end()
    outcome = task.run(rig.job())
    assert outcome.error is None, outcome
    assert len(rig.submissions()) == 2


def test_a_driver_that_is_gone_after_its_success_is_a_success(
    rig: SparkRig, task: Attempts
) -> None:
    rig.end()
    first = task.run(rig.job())
    (driver,) = rig.submissions()
    rig.delete(driver)
    until(lambda: rig.cluster.status(driver) == "Gone")
    assert task.run(rig.job()) == first
    assert rig.submissions() == [driver]


def test_on_unknown_says_what_becomes_of_a_driver_whose_end_nobody_saw(
    rig: SparkRig, task: Attempts
) -> None:
    task.set("remote_job_id", rig.unknown_id)
    outcome = task.run(rig.job(on_unknown="fail"))
    assert outcome.error == "UnknownSubmissionError", outcome
    assert rig.submissions() == []


def test_another_pod_of_its_name_is_not_taken_for_it(rig: SparkRig) -> None:
    driver = rig.job().submit_job(CONTEXT)
    namespace, name, _ = driver.split("/")
    other = f"{namespace}/{name}/00000000-0000-0000-0000-000000000000"
    assert rig.cluster.status(other) == "Gone"
    rig.cluster.cancel(other)
    assert rig.cluster.status(driver) in rig.cluster.active


def test_a_driver_that_can_never_start_is_submitted_afresh(rig: SparkRig) -> None:
    """Under the same token, and so the same name, which has to be free again at once."""
    old = rig.half_submitted()
    assert rig.cluster.find(rig.application, "ss-by-hand-1", "") == old  # it may be under way
    assert rig.cluster.status(old) == "Pending"
    hasty = rig.cluster_with(submit_timeout=1)
    until(lambda: hasty.find(rig.application, "ss-by-hand-1", "") is None)
    assert rig.running() == []
    driver = rig.job().submit_job(CONTEXT)
    assert driver != old
    assert rig.submissions() == [old, driver]


def test_a_known_driver_that_can_never_start_is_a_failure_that_says_why(rig: SparkRig) -> None:
    driver = rig.half_submitted()
    hasty = rig.job(cluster=rig.cluster_with(submit_timeout=2), on_unknown="fail")
    with pytest.raises(JobFailedError, match=r"'Incomplete': .* ConfigMap spark-drv-0-conf-map"):
        hasty.poll_until_complete(driver, {})
    assert rig.running() == []


def test_what_spark_submit_says_is_told_where_it_deletes_the_pod_again(rig: SparkRig) -> None:
    """Without the right to make a ConfigMap it has made the pod already."""
    roles = f"{ROLES}/{rig.namespace}/roles"
    role = documented_role(rig.role)
    for rule in role["rules"]:
        rule["resources"] = [each for each in rule["resources"] if each != "configmaps"]
    assert rig.kubernetes.delete(f"{roles}/{rig.role}")
    rig.kubernetes.create(roles, role)
    with pytest.raises(SparkSubmitError, match="configmaps"):
        rig.job().submit_job(CONTEXT)
    assert rig.submissions()
