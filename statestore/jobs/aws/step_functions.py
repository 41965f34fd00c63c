"""An execution of a standard state machine of AWS Step Functions. Its name is the token, so its ARN is
known before it is started, and the service starts one execution of one name."""

import json
from typing import Any, Unpack

from statestore.jobs.aws.base import FORGOTTEN, AwsError, AwsJob, AwsOptions
from statestore.jobs.polling import JobStatus
from statestore.sdk.deciding import Context


class StepFunctionsJob(AwsJob):
    """Starts an execution. Not of an express state machine: nothing tells how one of those has ended.

    Args:
        state_machine: its ARN, or that of a version or an alias of it.
        execution_input: anything with a JSON form.
        options: those of every `AwsJob`.
    """

    service = "stepfunctions"
    unknown = frozenset({"ExecutionDoesNotExist"})
    active = frozenset({"RUNNING", "PENDING_REDRIVE"})
    succeeded = frozenset({"SUCCEEDED"})
    submit_seconds = 0.0  # a name is taken once

    def __init__(
        self,
        state_machine: str,
        execution_input: Any = None,
        **options: Unpack[AwsOptions],
    ) -> None:
        super().__init__(**options)
        parts = state_machine.split(":")
        if len(parts) not in {7, 8} or parts[5] != "stateMachine":
            raise ValueError(f"{state_machine!r} is not the ARN of a state machine.")
        self.state_machine = state_machine
        self.execution_input = {} if execution_input is None else execution_input
        self._executions = ":".join([*parts[:5], "execution", parts[6]])

    def submit_job(self, context: Context) -> str:
        """Start the execution; its ARN."""
        token = context["submission"].token
        try:
            answer = self.ask(
                "start_execution",
                stateMachineArn=self.state_machine,
                name=token,
                input=json.dumps(self.execution_input),
            )
        except AwsError as error:
            if error.code == "ExecutionAlreadyExists":  # of an earlier request, and ended since
                return f"{self._executions}:{token}"
            raise
        return str(answer["executionArn"])

    def find_job(self, token: str, context: Context) -> str | None:
        """The execution with that name."""
        external_id = f"{self._executions}:{token}"
        found = self.ask_about("describe_execution", executionArn=external_id)
        return external_id if found else None

    def get_job_status(self, external_id: str, context: Context) -> JobStatus:
        """The service's word, or `FORGOTTEN` (90 days after its end)."""
        execution = self.ask_about("describe_execution", executionArn=external_id)
        if execution is None:
            return JobStatus(FORGOTTEN)
        told = [execution[name] for name in ("error", "cause") if execution.get(name)]
        return JobStatus(execution["status"], message=": ".join(told) or None)

    def get_job_result(self, external_id: str, context: Context) -> Any:
        """Its output; None where there is none, or the service has forgotten it."""
        execution = self.ask_about("describe_execution", executionArn=external_id)
        output = execution.get("output") if execution else None
        return None if output is None else json.loads(output)

    def cancel_job(self, external_id: str, context: Context) -> None:
        """Stop it; one that has ended, or is unknown, is left as it is."""
        self.ask_about("stop_execution", executionArn=external_id, cause="cancelled")
