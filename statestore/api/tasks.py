"""Task instances: their attempts, and the search for them."""

from django.http import HttpRequest, HttpResponse

from statestore import queries, services
from statestore.access import Right
from statestore.api import answer, hiding, params
from statestore.api.base import ApiView


class AttemptList(ApiView):
    """The attempts of a task instance."""

    def post(self, request: HttpRequest, **ids: str) -> HttpResponse:
        """Start the next one; older ones can write no more."""
        scope = params.scope_of(request, ids["dag_id"], ids["run_id"], ids["task_id"])
        self.principal.require(scope, Right.WRITE)
        return answer.data({"attempt": services.attempt_start(scope=scope)}, status=201)


class TaskInstanceList(ApiView):
    """Every task instance that the principal reaches."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Those that a search finds, newest first, page by page."""
        self.principal.require_right(Right.VIEW)
        wanted = params.task_query(request)
        limit = params.number(request, "limit", default=50, least=1)
        found = queries.task_search(
            wanted=wanted, principal=self.principal, limit=limit, cursor=request.GET.get("cursor")
        )
        return answer.task_instances(hiding.tasks(self.principal, found))
