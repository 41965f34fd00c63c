"""One class per resource, one method per verb: parse, make one call, answer."""

from typing import Any, cast

from django.http import HttpRequest, HttpResponse, JsonResponse
from rest_framework.request import Request
from rest_framework.views import APIView

from statestore import queries, services
from statestore.access import Principal, Right
from statestore.api import serializers as read
from statestore.api.authentication import BearerToken, BrowserSession
from statestore.errors import NotFoundError
from statestore.protocol import TaskScope, check_key
from statestore.services import Writer


class ApiView(APIView):
    """What all views share. There is nothing to negotiate: bodies and answers are JSON."""

    authentication_classes = [BearerToken, BrowserSession]  # noqa: RUF012 - DRF's interface
    permission_classes: list[Any] = []  # noqa: RUF012 - every method requires its right by itself

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Know the principal before anything else is looked at."""
        self.principal = cast(Principal, request.user)

    def writer(self, request: HttpRequest) -> Writer:
        """Who writes, and as which attempt."""
        return Writer(self.principal.name, read.read_attempt(request))


def json_answer(text: str, status: int = 200) -> HttpResponse:
    """JSON that is text already."""
    return HttpResponse(text, content_type="application/json", status=status)


class TaskView(ApiView):
    """A view below a task instance's path."""

    def scope(self, request: HttpRequest, ids: dict[str, str], *rights: Right) -> TaskScope:
        """The task instance of the path, if the principal has one of the rights over it."""
        scope = read.read_scope(request, ids["dag_id"], ids["run_id"], ids["task_id"])
        self.principal.require(scope.dag_id, *rights)
        return scope


class EntryDetail(TaskView):
    """One key of a task instance."""

    def get(self, request: HttpRequest, key: str, **ids: str) -> HttpResponse:
        """Read it."""
        scope = self.scope(request, ids, Right.VIEW)
        entry = queries.entry_get(scope=scope, key=check_key(key))
        answer = json_answer(read.entry_json(entry))
        answer["ETag"] = read.etag(entry.version)
        return answer

    def put(self, request: HttpRequest, key: str, **ids: str) -> HttpResponse:
        """Create or overwrite it."""
        scope = self.scope(request, ids, Right.WRITE)
        body = read.read_entry_put(request)
        version = services.entry_set(
            scope=scope,
            key=check_key(key),
            value=body.text,
            decoded=body.decoded,
            expiry=body.expiry,
            writer=self.writer(request),
            precondition=read.read_precondition(request),
        )
        return HttpResponse(status=204, headers={"ETag": read.etag(version)})

    def patch(self, request: HttpRequest, key: str, **ids: str) -> HttpResponse:
        """Change its value, and keep its expiry."""
        scope = self.scope(request, ids, Right.WRITE)
        body = read.read_entry_patch(request)
        version = services.entry_patch(
            scope=scope,
            key=check_key(key),
            value=body.text,
            decoded=body.decoded,
            writer=self.writer(request),
            precondition=read.read_precondition(request),
        )
        answer = json_answer("null")
        answer["ETag"] = read.etag(version)
        return answer

    def delete(self, request: HttpRequest, key: str, **ids: str) -> HttpResponse:
        """Delete it, if it is there."""
        scope = self.scope(request, ids, Right.WRITE, Right.CLEAR)
        services.entry_delete(
            scope=scope,
            key=check_key(key),
            writer=self.writer(request),
            precondition=read.read_precondition(request),
        )
        return HttpResponse(status=204)


class EntryList(TaskView):
    """All keys of a task instance."""

    def get(self, request: HttpRequest, **ids: str) -> HttpResponse:
        """A page of them, by key."""
        scope = read.read_scope(request, ids["dag_id"], ids["run_id"], ids["task_id"])
        limit = read.read_int(request, "limit", default=50, least=0)
        offset = read.read_int(request, "offset", default=0, least=0)
        if not self.principal.reaches(scope.dag_id):
            return json_answer(read.page_json(queries.NO_ENTRIES))
        self.principal.require(scope.dag_id, Right.VIEW)
        return json_answer(
            read.page_json(queries.entry_page(scope=scope, limit=limit, offset=offset))
        )

    def delete(self, request: HttpRequest, **ids: str) -> HttpResponse:
        """Clear them."""
        scope = self.scope(request, ids, Right.CLEAR)
        all_map_indices = read.read_flag(request, "all_map_indices")
        services.entries_clear(
            scope=scope, writer=self.writer(request), all_map_indices=all_map_indices
        )
        return HttpResponse(status=204)


class AttemptList(TaskView):
    """The attempts of a task instance."""

    def post(self, request: HttpRequest, **ids: str) -> HttpResponse:
        """Start the next one; older ones can write no more."""
        scope = self.scope(request, ids, Right.WRITE)
        return JsonResponse({"attempt": services.attempt_start(scope=scope)}, status=201)


class Health(APIView):
    """Whether this process answers; says nothing of the database."""

    authentication_classes: list[Any] = []  # noqa: RUF012 - DRF's interface
    permission_classes: list[Any] = []  # noqa: RUF012

    def get(self, request: HttpRequest) -> HttpResponse:
        """It does."""
        return JsonResponse({"status": "ok"})


class NothingHere(ApiView):
    """Any other path of the API: a JSON 404, whatever the verb, for who is known."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse."""
        super().initial(request, *args, **kwargs)
        raise NotFoundError("There is nothing at this path of the API.")
