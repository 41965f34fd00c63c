"""The keys of task instances and of assets: parse, make one call, answer."""

from collections.abc import Callable
from functools import cache

from django.http import HttpRequest, HttpResponse

from statestore import queries, services
from statestore.access import Right
from statestore.api import answer, bodies, hiding, params
from statestore.api.base import ScopeView
from statestore.errors import BatchError, ForbiddenError, StateStoreError
from statestore.protocol import AssetScope, Scope, TaskScope, check_key

RIGHTS = {
    "get": (Right.VIEW,),
    "set": (Right.WRITE,),
    "delete": (Right.WRITE, Right.CLEAR),
}
WITHOUT_PATCH = [verb for verb in ScopeView.http_method_names if verb != "patch"]


class EntryDetail(ScopeView):
    """One key."""

    def get(self, request: HttpRequest, key: str, **ids: str) -> HttpResponse:
        """Read it; with `wait`, once it is newer than `newer_than`."""
        scope = self.scope(request, ids, Right.VIEW)
        wait = params.number(request, "wait", default=0, least=0)
        newer_than = params.number(request, "newer_than", default=0, least=0)
        if wait:
            queries.entry_wait(scope=scope, key=check_key(key), newer_than=newer_than, seconds=wait)
        found = queries.entry_get(scope=scope, key=check_key(key))
        hiding.refuse_hidden(self.principal, scope, found)
        return answer.entry(found, scope)

    def put(self, request: HttpRequest, key: str, **ids: str) -> HttpResponse:
        """Create or overwrite it."""
        scope = self.scope(request, ids, Right.WRITE)
        body = bodies.entry_put(request, scope)
        version = services.entry_set(
            scope=scope,
            key=check_key(key),
            value=body.text,
            decoded=body.decoded,
            expiry=body.expiry,
            writer=self.writer(request),
            precondition=params.precondition_of(request),
        )
        return answer.nothing(version=version)

    def patch(self, request: HttpRequest, key: str, **ids: str) -> HttpResponse:
        """Change its value, or some fields of it, and keep its expiry."""
        if bodies.is_merge_patch(request):
            return self._merge(request, key, ids)
        scope = self.scope(request, ids, Right.WRITE)
        body = bodies.entry_patch(request)
        version = services.entry_patch(
            scope=scope,
            key=check_key(key),
            value=body.text,
            decoded=body.decoded,
            writer=self.writer(request),
            precondition=params.precondition_of(request),
        )
        return answer.text("null", version=version)

    def _merge(self, request: HttpRequest, key: str, ids: dict[str, str]) -> HttpResponse:
        scope = self.seen_scope(request, ids)
        changed = services.entry_merge(
            scope=scope,
            key=check_key(key),
            patch=bodies.merge_patch(request),
            writer=self.writer(request),
            precondition=params.precondition_of(request),
        )
        return answer.changed(hiding.changed(self.principal, scope, key, changed))

    def delete(self, request: HttpRequest, key: str, **ids: str) -> HttpResponse:
        """Delete it, if it is there."""
        services.entry_delete(
            scope=self.scope(request, ids, Right.WRITE, Right.CLEAR),
            key=check_key(key),
            writer=self.writer(request),
            precondition=params.precondition_of(request),
        )
        return answer.nothing()


class EntryIncrement(EntryDetail):
    """A path that ends with `/increment`: POST adds to the key before it; else it is a key itself."""

    def post(self, request: HttpRequest, key: str, **ids: str) -> HttpResponse:
        """Add to the number under the key."""
        params.refuse_precondition(request)
        scope = self.seen_scope(request, ids)
        by, expiry = bodies.increment(request, scope)
        counted = check_key(key.removesuffix("/increment"))
        changed = services.entry_increment(
            scope=scope,
            key=counted,
            by=by,
            writer=self.writer(request),
            expiry=expiry,
        )
        return answer.changed(hiding.changed(self.principal, scope, counted, changed))


class AssetEntryDetail(EntryDetail):
    """One key of an asset; Airflow has no PATCH of one."""

    http_method_names = WITHOUT_PATCH


class AssetEntryIncrement(EntryIncrement):
    """The same for an asset."""

    http_method_names = WITHOUT_PATCH


class EntryList(ScopeView):
    """All keys."""

    def get(self, request: HttpRequest, **ids: str) -> HttpResponse:
        """A page of them, by key; nothing where the task instance is not one to be seen."""
        limit = params.number(request, "limit", default=50, least=0)
        offset = params.number(request, "offset", default=0, least=0)
        after = params.text(request, "after") or ""
        if "asset_id" not in ids:
            unseen = params.scope_of(request, ids["dag_id"], ids["run_id"], ids["task_id"])
            if not self.principal.reaches(unseen):
                return answer.page(queries.NO_ENTRIES, unseen)
        scope = self.scope(request, ids, Right.VIEW)
        found = queries.entry_page(scope=scope, limit=limit, offset=offset, after=after)
        return answer.page(hiding.page(self.principal, scope, found), scope)

    def delete(self, request: HttpRequest, **ids: str) -> HttpResponse:
        """Clear them."""
        params.refuse_precondition(request)
        services.entries_clear(
            scope=self.scope(request, ids, Right.CLEAR),
            writer=self.writer(request),
            all_map_indices=self._all_map_indices(request, ids),
            of_any="map_index" not in request.GET,
        )
        return answer.nothing()

    def _all_map_indices(self, request: HttpRequest, ids: dict[str, str]) -> bool:
        wanted = "asset_id" not in ids and params.flag(request, "all_map_indices")
        if wanted and self.principal.task is not None:
            raise ForbiddenError("A task token reaches one map index: clear that one alone.")
        return wanted


class Batch(ScopeView):
    """Many operations in one transaction."""

    def post(self, request: HttpRequest) -> HttpResponse:
        """Carry all of them out, or none."""
        params.refuse_precondition(request)
        operations = bodies.batch(request)
        self._require(operations)
        outcomes = services.batch_apply(operations=operations, writer=self.writer(request))
        seen = [self._seen(*pair) for pair in zip(operations, outcomes, strict=True)]
        return answer.batch(operations, hiding.outcomes(self.principal, operations, seen))

    def _seen(self, operation: services.Operation, outcome: services.Outcome) -> services.Outcome:
        """What is out of reach is read as if it were not there."""
        if operation.op != "get" or not isinstance(operation.scope, TaskScope):
            return outcome
        return outcome if self.principal.reaches(operation.scope) else services.Outcome()

    def _require(self, operations: list[services.Operation]) -> None:
        asset, passed = cache(queries.asset_get), set[tuple[str, Scope]]()
        for place, operation in enumerate(operations):
            asked = operation.op, operation.scope
            if asked in passed:
                continue
            passed.add(asked)
            try:
                self._require_rights(operation, asset)
            except StateStoreError as refusal:
                raise BatchError(place, refusal) from refusal

    def _require_rights(
        self, operation: services.Operation, asset: Callable[[int], queries.Asset]
    ) -> None:
        rights = RIGHTS[operation.op]
        match operation.scope:
            case TaskScope() as scope:
                if operation.op != "get" or self.principal.reaches(scope):
                    self.principal.require(scope, *rights)
            case AssetScope(asset_id):
                self.principal.require_asset(asset_id, asset(asset_id).name, *rights)
