"""Jobs of a system that answers as it is told."""

from typing import Any

from statestore.jobs.polling import PollingJob
from statestore.sdk import JobSystemUnreachableError


class Told(PollingJob):
    """Gives the answers that it was told, one after the other; what is an exception is raised."""

    active = frozenset({"RUNNING"})
    succeeded = frozenset({"DONE"})
    poll_interval = 0.01

    def __init__(self, *answers: Any, **options: Any) -> None:
        super().__init__(**options)
        self.answers, self.calls = list(answers), [""]

    def submit_job(self, context: Any) -> Any:
        return self._answer("submit")

    def get_job_status(self, external_id: Any, context: Any) -> Any:
        return self._answer("status")

    def _answer(self, call: str) -> Any:
        self.calls.append(call)
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer


class Findable(Told):
    """A system that can be searched."""

    submit_seconds = 0.0

    def find_job(self, token: str, context: Any) -> Any:
        return self._answer("find")

    def cancel_job(self, external_id: Any, context: Any) -> None:
        self.calls.append("cancel")


AWAY = JobSystemUnreachableError("no answer")
