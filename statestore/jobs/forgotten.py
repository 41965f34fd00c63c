"""A job that its system does not know, or not any more."""

from typing import Any

from statestore.jobs.polling import PollingJob
from statestore.sdk.deciding import Context
from statestore.sdk.errors import UnknownSubmissionError
from statestore.sdk.records import SubmissionState


def require_seen_end(job: PollingJob, external_id: Any, context: Context, problem: str) -> None:
    """Let pass a job that may be submitted afresh, though its system has forgotten it.

    Args:
        job: whose `on_unknown` counts.
        external_id: the forgotten job's.
        context: of the task; a submission that is finished there says that the end was seen.
        problem: what is known, as the beginning of a sentence: "Slurm has forgotten job 7".

    Raises:
        UnknownSubmissionError: nobody saw its end, and `on_unknown` is "fail".
    """
    submission = context.get("submission")
    was_seen = (
        submission is not None
        and submission.state is SubmissionState.FINISHED
        and submission.external_id == external_id
    )
    if job.on_unknown == "fail" and not was_seen:
        raise UnknownSubmissionError(
            f"{problem}, and nobody saw its end. Look whether it did its work; then clear"
            f" {job.external_id_key!r} to submit afresh."
        )
