"""The jobs of AWS, on moto."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.aws import Moto
from tests.jobs.attempts import Attempts
from tests.jobs.aws_rigs import (
    AthenaRig,
    AwsRig,
    BatchRig,
    EmrServerlessRig,
    GlueRig,
    StepFunctionsRig,
)
from tests.jobs.contract import EngineContract

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    """The module's AWS."""
    engine = Moto(tmp_path_factory.mktemp("moto"))
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.syspath_prepend(engine.packages)  # for attempts, which are forks
        monkeypatch.setenv("PYTHONPATH", str(engine.packages))  # for Celery's workers
        try:
            engine.start()
            yield engine
        finally:
            engine.stop()


class TestStepFunctionsJob(EngineContract):
    """One execution of one name."""

    @pytest.fixture
    def rig(self, moto: Moto, tmp_path: Path) -> AwsRig:
        return StepFunctionsRig(tmp_path, moto)

    def test_a_second_submission_of_a_token_gives_the_same_execution(
        self, rig: AwsRig, task: Attempts
    ) -> None:
        rig.end()
        task.run(rig.job())
        record = task.keys()["remote_job_id.submission"]

        class Reserved:
            """As an overtaken attempt, which still submits."""

            token = record["token"]

        assert [rig.job().submit_job({"submission": Reserved})] == rig.submissions()


class TestGlueJob(EngineContract):
    """Found among the runs of its job."""

    @pytest.fixture
    def rig(self, moto: Moto, tmp_path: Path) -> AwsRig:
        return GlueRig(tmp_path, moto)


class TestBatchJob(EngineContract):
    """Found by its name."""

    @pytest.fixture
    def rig(self, moto: Moto, tmp_path: Path) -> AwsRig:
        return BatchRig(tmp_path, moto)


class TestAthenaJob(EngineContract):
    """Found by its comment. Moto ignores its client token, which AWS documents."""

    @pytest.fixture
    def rig(self, moto: Moto, tmp_path: Path) -> AwsRig:
        return AthenaRig(tmp_path, moto)


class TestEmrServerlessJob(EngineContract):
    """Found by its name. Moto ignores its client token, which AWS documents."""

    @pytest.fixture
    def rig(self, moto: Moto, tmp_path: Path) -> AwsRig:
        return EmrServerlessRig(tmp_path, moto)
