"""The JSON of answers, written by hand: a stored value goes out as the text that was sent."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django.http import HttpResponse, JsonResponse

from statestore.protocol import Scope, TaskScope
from statestore.queries import Asset, AssetPage, Entry, EntryPage, TaskSearch, TaskSummary
from statestore.services import Changed, Operation, Outcome


def text(body: str, *, status: int = 200, version: int | None = None) -> HttpResponse:
    """JSON that is text already; with the ETag of an entry's version."""
    answer = HttpResponse(body, content_type="application/json", status=status)
    if version is not None:
        answer["ETag"] = etag(version)
    return answer


def data(body: Any, *, status: int = 200) -> HttpResponse:
    """JSON of what holds no stored value."""
    return JsonResponse(body, status=status)


def nothing(*, version: int | None = None) -> HttpResponse:
    """204; with the ETag of what was written."""
    headers = {} if version is None else {"ETag": etag(version)}
    answer = HttpResponse(status=204, content_type="", headers=headers)
    del answer["Content-Type"]  # of nothing
    return answer


def etag(version: int) -> str:
    """An entry's version as an ETag."""
    return f'"{version}"'


def entry(found: Entry, scope: Scope) -> HttpResponse:
    """One entry, with its ETag."""
    return text(entry_json(found, scope), version=found.version)


def entry_json(found: Entry, scope: Scope) -> str:
    """An entry in Airflow's shape for its kind of scope."""
    start = f'{{"key":{json.dumps(found.key)},"value":{found.value},"updated_at":{_time(found.updated_at)}'
    if isinstance(scope, TaskScope):
        return f'{start},"expires_at":{_time(found.expires_at)}}}'
    return f'{start},"last_updated_by":{_writer(found)}}}'


def page(found: EntryPage, scope: Scope) -> HttpResponse:
    """A page of entries, in Airflow's envelope."""
    name = "task_state_store" if isinstance(scope, TaskScope) else "asset_state_store"
    rows = ",".join(entry_json(row, scope) for row in found.entries)
    return text(f'{{"{name}":[{rows}],"total_entries":{found.total}}}')


def asset_data(asset: Asset) -> dict[str, Any]:
    """An asset in Airflow's shape; what Statestore does not know of it is empty."""
    return {
        "id": asset.id,
        "name": asset.name,
        "uri": asset.uri,
        "group": "asset",
        "extra": {},
        "created_at": iso(asset.created_at),
        "updated_at": iso(asset.created_at),
        "scheduled_dags": [],
        "producing_tasks": [],
        "consuming_tasks": [],
        "aliases": [],
        "watchers": [],
        "last_asset_event": None,
    }


def assets(found: AssetPage) -> HttpResponse:
    """A page of assets, in Airflow's envelope."""
    return data({"assets": [asset_data(row) for row in found.assets], "total_entries": found.total})


def task_instances(found: TaskSearch) -> HttpResponse:
    """A page of task instances, and the cursor of the next one."""
    rows = ",".join(map(_task_instance, found.rows))
    return text(f'{{"task_instances":[{rows}],"next_cursor":{json.dumps(found.next_cursor)}}}')


def _task_instance(row: TaskSummary) -> str:
    scope = row.scope
    known = {
        "id": row.id,
        "dag_id": scope.dag_id,
        "run_id": scope.run_id,
        "task_id": scope.task_id,
        "map_index": scope.map_index,
        "attempt": row.attempt,
        "status": row.state,
        "keys": row.key_count,
        "last_write": row.last_write and iso(row.last_write),
    }
    return f'{json.dumps(known)[:-1]},"progress":{row.progress or "null"}}}'


def changed(entry: Changed) -> HttpResponse:
    """What a value has become."""
    return text(f'{{"value":{entry.value}}}', version=entry.version)


def batch(operations: Iterable[Operation], outcomes: Iterable[Outcome]) -> HttpResponse:
    """What each operation of a batch came to, in the order in which they were sent."""
    pairs = zip(operations, outcomes, strict=True)
    return text(f'{{"results":[{",".join(_outcome(*pair) for pair in pairs)}]}}')


def _outcome(operation: Operation, outcome: Outcome) -> str:
    if operation.op == "get":
        found = outcome.entry
        if found is None:
            return '{"entry":null}'
        return f'{{"entry":{entry_json(found, operation.scope)},"version":{found.version}}}'
    return "{}" if outcome.version is None else f'{{"version":{outcome.version}}}'


def _writer(found: Entry) -> str:
    if not found.writer:
        return "null"
    ids: list[Any] = json.loads(found.writer_task) if found.writer_task else [None] * 4
    names = ("dag_id", "run_id", "task_id", "map_index")
    kind = "task" if found.writer_task else "api"
    return json.dumps({"kind": kind, **dict(zip(names, ids, strict=True))})


def _time(time: datetime | None) -> str:
    return "null" if time is None else f'"{iso(time)}"'


def iso(time: datetime) -> str:
    """A time in UTC with microseconds."""
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
