"""Rigs for the jobs of AWS: each test has a queue, application or the like of its own. What is imported
from boto3's environment is imported late: it is not everywhere."""

import uuid
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from statestore.jobs.polling import PollingJob
from tests.engines.aws import ACCOUNT, REGION, ROLE, Moto
from tests.jobs.contract import EngineRig


class AwsRig(EngineRig):
    """The jobs of one test. A job's statuses are AWS's words."""

    service: str
    active: frozenset[str]

    def __init__(self, folder: Path, moto: Moto) -> None:
        super().__init__(folder)
        self.moto, self.client = moto, moto.client(self.service)
        self.name = f"test-{uuid.uuid4().hex[:12]}"
        self.wait_for = f"wait_for={folder};"
        self.set_up()

    def set_up(self) -> None:
        """Create what a job runs in."""

    def jobs(self) -> dict[str, str]:
        """The statuses of the jobs, by their ids, as the service tells them."""
        raise NotImplementedError

    def options(self, **options: Any) -> dict[str, Any]:
        """What every job of a test has."""
        own = {"region": REGION, "endpoint_url": self.moto.url, "timeout": 1, "poll_interval": 0.05}
        own["submit_seconds"] = 1.0  # moto takes client tokens twice
        return {**own, **options}

    def submissions(self) -> list[str]:
        return list(self.jobs())

    def running(self) -> list[str]:
        return [job for job, state in self.jobs().items() if state in self.active]

    def restart(self) -> None:
        with self.away():
            pass  # moto forgets everything when it is restarted, as AWS does not

    def away(self) -> AbstractContextManager[None]:
        return self.moto.away()


class StepFunctionsRig(AwsRig):
    """A state machine."""

    service = "stepfunctions"
    active = frozenset({"RUNNING"})
    unknown_id = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:none:none"

    def set_up(self) -> None:
        definition = '{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}'
        made = self.client.create_state_machine(name=self.name, definition=definition, roleArn=ROLE)
        self.machine = made["stateMachineArn"]
        self.unknown_id = f"{self.machine.replace('stateMachine', 'execution')}:none"

    def job(self, **options: Any) -> PollingJob:
        from statestore.jobs.aws.step_functions import StepFunctionsJob

        return StepFunctionsJob(self.machine, {"to": self.wait_for}, **self.options(**options))

    def jobs(self) -> dict[str, str]:
        found = self.client.list_executions(stateMachineArn=self.machine)["executions"]
        return {each["executionArn"]: each["status"] for each in found}


class GlueRig(AwsRig):
    """A job, which may have many runs."""

    service = "glue"
    active = frozenset({"STARTING", "RUNNING", "STOPPING"})
    unknown_id = "jr_" + 64 * "0"

    def set_up(self) -> None:
        command = {"Name": "glueetl", "ScriptLocation": "s3://tests/job.py"}
        self.client.create_job(
            Name=self.name,
            Role=ROLE,
            Command=command,
            ExecutionProperty={"MaxConcurrentRuns": 9},
        )

    def job(self, **options: Any) -> PollingJob:
        from statestore.jobs.aws.glue import GlueJob

        return GlueJob(self.name, arguments={"--to": self.wait_for}, **self.options(**options))

    def jobs(self) -> dict[str, str]:
        found = self.client.get_job_runs(JobName=self.name)["JobRuns"]
        return {each["Id"]: each["JobRunState"] for each in found}


class BatchRig(AwsRig):
    """A queue."""

    service = "batch"
    active = frozenset({"SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING"})
    unknown_id = str(uuid.uuid4())

    def set_up(self) -> None:
        role = self.moto.client("iam").create_role(
            RoleName=self.name, AssumeRolePolicyDocument="{}"
        )
        made = self.client.create_compute_environment(
            computeEnvironmentName=self.name,
            type="UNMANAGED",
            state="ENABLED",
            serviceRole=role["Role"]["Arn"],
        )
        self.client.create_job_queue(
            jobQueueName=self.name,
            state="ENABLED",
            priority=1,
            computeEnvironmentOrder=[
                {"order": 1, "computeEnvironment": made["computeEnvironmentArn"]}
            ],
        )
        self.client.register_job_definition(
            jobDefinitionName=self.name,
            type="container",
            containerProperties={"image": "busybox", "vcpus": 1, "memory": 128},
        )

    def job(self, **options: Any) -> PollingJob:
        from statestore.jobs.aws.batch import BatchJob

        return BatchJob(
            self.name, self.name, parameters={"to": self.wait_for}, **self.options(**options)
        )

    def jobs(self) -> dict[str, str]:
        every = [{"name": "JOB_NAME", "values": ["*"]}]
        found = self.client.list_jobs(jobQueue=self.name, filters=every)["jobSummaryList"]
        return {each["jobId"]: each["status"] for each in found}


class AthenaRig(AwsRig):
    """A workgroup."""

    service = "athena"
    active = frozenset({"QUEUED", "RUNNING"})
    unknown_id = str(uuid.uuid4())

    def set_up(self) -> None:
        self.client.create_work_group(Name=self.name, Configuration={})

    def job(self, **options: Any) -> PollingJob:
        from statestore.jobs.aws.athena import AthenaJob

        return AthenaJob(
            f"SELECT '{self.wait_for}'",
            workgroup=self.name,
            output="s3://tests/",
            **self.options(**options),
        )

    def jobs(self) -> dict[str, str]:
        ids = self.client.list_query_executions(WorkGroup=self.name)["QueryExecutionIds"]
        found = [self.client.get_query_execution(QueryExecutionId=each) for each in ids]
        return {
            each["QueryExecution"]["QueryExecutionId"]: each["QueryExecution"]["Status"]["State"]
            for each in found
        }


class EmrServerlessRig(AwsRig):
    """An application."""

    service = "emr-serverless"
    active = frozenset({"SUBMITTED", "PENDING", "SCHEDULED", "RUNNING", "CANCELLING"})
    unknown_id = "00none"

    def set_up(self) -> None:
        made = self.client.create_application(
            name=self.name, releaseLabel="emr-6.6.0", type="SPARK"
        )
        self.application = made["applicationId"]
        other = self.client.start_job_run(  # moto takes an application without runs for unknown
            applicationId=self.application,
            executionRoleArn=ROLE,
            jobDriver={"hive": {"query": "SELECT 1"}},
        )
        self.other = other["jobRunId"]

    def job(self, **options: Any) -> PollingJob:
        from statestore.jobs.aws.emr_serverless import EmrServerlessJob

        driver = {"sparkSubmit": {"entryPoint": "job.py", "entryPointArguments": [self.wait_for]}}
        return EmrServerlessJob(self.application, ROLE, driver, **self.options(**options))

    def jobs(self) -> dict[str, str]:
        found = self.client.list_job_runs(applicationId=self.application)["jobRuns"]
        return {each["id"]: each["state"] for each in found if each["id"] != self.other}
