"""A query of Amazon Athena. The token goes as the request's client token, of which Athena makes one query,
and in a comment in front of the query, by which it is found in its workgroup."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

from statestore.jobs.aws.base import FORGOTTEN, AwsError, AwsJob, AwsOptions, searched_since
from statestore.jobs.polling import JobStatus
from statestore.sdk.deciding import Context


@dataclass(frozen=True, slots=True)
class AthenaResult:
    """Where the rows of a query are."""

    output: str | None
    """The place in S3."""
    scanned_bytes: int
    seconds: float


class AthenaJob(AwsJob):
    """Starts a query.

    Args:
        query: one statement.
        parameters: for its `?`, in their order, as Athena takes them.
        workgroup: by default `primary`.
        database: that names without one are looked for in.
        catalog: the same for a database; by default `AwsDataCatalog`.
        output: the place in S3 for the rows; by default the workgroup's.
        options: those of every `AwsJob`.
    """

    service = "athena"
    unknown = frozenset[str]()  # see _describe
    active = frozenset({"QUEUED", "RUNNING"})
    succeeded = frozenset({"SUCCEEDED"})
    submit_seconds = 0.0  # a client token is taken once

    def __init__(
        self,
        query: str,
        parameters: Sequence[str] = (),
        *,
        workgroup: str = "primary",
        database: str | None = None,
        catalog: str | None = None,
        output: str | None = None,
        **options: Unpack[AwsOptions],
    ) -> None:
        super().__init__(**options)
        self.query, self.workgroup = query, workgroup
        where = {"Database": database, "Catalog": catalog}
        chosen = {name: value for name, value in where.items() if value}
        self.request: dict[str, Any] = {"WorkGroup": workgroup}
        if chosen:
            self.request["QueryExecutionContext"] = chosen
        if output:
            self.request["ResultConfiguration"] = {"OutputLocation": output}
        if parameters:
            self.request["ExecutionParameters"] = list(parameters)

    def submit_job(self, context: Context) -> str:
        """Start the query; its id."""
        token = context["submission"].token
        answer = self.ask(
            "start_query_execution",
            **self.request,
            QueryString=f"{_comment(token)}\n{self.query}",
            ClientRequestToken=f"statestore-{token}",  # Athena wants at least 32 characters
        )
        return str(answer["QueryExecutionId"])

    def find_job(self, token: str, context: Context) -> str | None:
        """The query of the workgroup with the token in front, among those since the reservation."""
        since = searched_since(context)
        for query in self._newest_queries():
            if query["Query"].startswith(_comment(token)):
                return str(query["QueryExecutionId"])
            begun = query["Status"].get("SubmissionDateTime")
            if since and begun and begun < since:
                break
        return None

    def get_job_status(self, external_id: str, context: Context) -> JobStatus:
        """Athena's word, or `FORGOTTEN` (45 days after its end)."""
        query = self._describe(external_id)
        if query is None:
            return JobStatus(FORGOTTEN)
        status = query["Status"]
        return JobStatus(status["State"], message=status.get("StateChangeReason") or None)

    def get_job_result(self, external_id: str, context: Context) -> AthenaResult | None:
        """Where the rows are; None where Athena has forgotten the query."""
        query = self._describe(external_id)
        if query is None:
            return None
        told: Mapping[str, Any] = query.get("Statistics", {})
        return AthenaResult(
            query.get("ResultConfiguration", {}).get("OutputLocation"),
            told.get("DataScannedInBytes", 0),
            told.get("TotalExecutionTimeInMillis", 0) / 1000,
        )

    def cancel_job(self, external_id: str, context: Context) -> None:
        """Stop it; one that has ended, or is unknown, is left as it is."""
        if self._describe(external_id):
            self.ask("stop_query_execution", QueryExecutionId=external_id)

    def _describe(self, external_id: str) -> dict[str, Any] | None:
        try:
            answer = self.ask("get_query_execution", QueryExecutionId=external_id)
        except AwsError as error:
            if error.code == "InvalidRequestException" and "not found" in str(error):
                return None
            raise
        return dict(answer["QueryExecution"])

    def _newest_queries(self) -> Iterator[dict[str, Any]]:
        for page in self.pages("list_query_executions", WorkGroup=self.workgroup):
            if ids := page.get("QueryExecutionIds"):
                answer = self.ask("batch_get_query_execution", QueryExecutionIds=ids)
                queries = {query["QueryExecutionId"]: query for query in answer["QueryExecutions"]}
                yield from (queries[query_id] for query_id in ids if query_id in queries)


def _comment(token: str) -> str:
    return f"-- statestore {token} --"
