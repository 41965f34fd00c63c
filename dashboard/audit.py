"""The Audit page: who did what by hand, to what, when, from where and why; also as CSV."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from django.http import HttpRequest, QueryDict, StreamingHttpResponse
from django.utils.dateparse import parse_date
from django.views.decorators.http import require_safe

from dashboard.filters import number_of
from dashboard.rights import needs
from dashboard.watch import cursor_of
from statestore import queries
from statestore.access import Principal, Right
from statestore.protocol import MAP_INDEX_NONE
from statestore.queries import AuditEntry, AuditFilter, principal_of_user
from statestore.services import Action

WORDS: Final = {
    Action.CLEARED_KEY: "Cleared a key",
    Action.CLEARED: "Cleared all keys",
    Action.CLEARED_ALL_MAP_INDICES: "Cleared all map indices",
    Action.CLEARED_RUN: "Cleared a run",
    Action.EDITED: "Changed a value",
    Action.RESTORED: "Restored a value",
    Action.EXTENDED: "Extended the retention",
    Action.REVEALED: "Revealed a value",
    Action.NOT_A_SECRET: "Said that it is no secret",
    Action.TOKEN_CREATED: "Created a token",
    Action.TOKEN_REVOKED: "Revoked a token",
    Action.SWEPT: "Swept by hand",
    Action.LOGGED_IN: "Logged in",
    Action.LOGIN_FAILED: "Failed to log in",
    Action.LOGGED_OUT: "Logged out",
    Action.ACCOUNT_CHANGED: "Changed an account",
    Action.WEBHOOK_CREATED: "Created a webhook",
    Action.WEBHOOK_CHANGED: "Changed a webhook",
    Action.WEBHOOK_DELETED: "Deleted a webhook",
    Action.WEBHOOK_TESTED: "Tested a webhook",
    Action.WEBHOOK_SENT_AGAIN: "Sent a notification again",
    Action.WEBHOOK_GAVE_UP: "Gave up a notification",
}
COLUMNS: Final = (
    "time_utc", "who", "action", "address", "dag_id", "run_id", "task_id", "map_index", "asset",
    "key", "detail", "reason",
)  # fmt: skip
FIRST_FILTERS: Final = ("who", "action", "dag", "run", "task", "key")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


@dataclass(frozen=True, slots=True)
class AuditView:
    """A part of it, newest first."""

    cursor: str
    where: AuditFilter
    before: int | None
    """Entries older than this one; None: the newest."""
    entries: list[AuditEntry]
    older: int | None
    looked_at: int

    @property
    def actions(self) -> dict[Action, str]:
        """What may be asked for, as people say it."""
        return WORDS

    @property
    def is_filtered(self) -> bool:
        """Whether it is less than all."""
        return self.where != AuditFilter() or self.before is not None

    @property
    def is_filtered_further(self) -> bool:
        """Whether a filter is in use of those that are folded away."""
        first = {name: getattr(self.where, name) for name in FIRST_FILTERS}
        return self.where != AuditFilter(**first)


def read_audit(params: QueryDict, principal: Principal) -> AuditView:
    """The entries that the filter lets through, those before `?before=`."""
    where, before = audit_filter(params), number_of(params.get("before", ""))
    page = queries.audit_page(where=where, principal=principal, before=before)
    return AuditView(cursor_of(page), where, before, page.entries, page.older, page.looked_at)


@require_safe
@needs(Right.ADMINISTER)
def audit_csv(request: HttpRequest) -> StreamingHttpResponse:
    """All that the filter lets through, as a file."""
    rows = queries.audit_rows(
        where=audit_filter(request.GET), principal=principal_of_user(request.user)
    )
    return StreamingHttpResponse(
        csv_lines(rows),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="audit.csv"'},
    )


def audit_filter(params: QueryDict) -> AuditFilter:
    """The filter; what it does not understand it leaves out. Days are whole ones, in UTC."""
    texts = {
        name: params.get(name, "").replace("\0", "").strip()
        for name in ("who", "dag", "run", "task", "asset", "key", "address", "reason")
    }
    action, until = params.get("action", ""), _day(params.get("until", ""))
    return AuditFilter(
        **texts,
        index=number_of(params.get("index", "")),
        whole=params.get("whole") == "1",
        action=action if action in set(Action) else "",
        since=_day(params.get("since", "")),
        until=until and until + timedelta(days=1),
    )


def csv_lines(entries: Iterable[AuditEntry]) -> Iterator[str]:
    """Lines of CSV, with a heading."""
    writer = csv.writer(_Echo())
    yield writer.writerow(COLUMNS)
    for entry in entries:
        yield writer.writerow(_harmless(cell) for cell in _cells(entry))


class _Echo:
    """What csv writes to: hands each line back."""

    def write(self, line: str) -> str:
        return line


def _cells(entry: AuditEntry) -> tuple[str, ...]:
    task = entry.task
    ids = ("", "", "") if task is None else (task.dag_id, task.run_id, task.task_id)
    mapped = task is not None and task.map_index != MAP_INDEX_NONE
    return (
        entry.at.astimezone(UTC).isoformat(timespec="milliseconds"), entry.who, entry.action,
        entry.address, *ids, str(task.map_index) if task and mapped else "", entry.asset,
        entry.key, entry.detail, entry.reason,
    )  # fmt: skip


def _harmless(cell: str) -> str:
    """A spreadsheet takes a cell that begins so for a formula, and may run it: an apostrophe stops it."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _day(text: str) -> datetime | None:
    try:
        day = parse_date(text)
    except ValueError:  # 2026-02-31
        return None
    known = day is not None and 1970 <= day.year < 9999
    return datetime(day.year, day.month, day.day, tzinfo=UTC) if day and known else None
