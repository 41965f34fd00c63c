"""The audit: what people do by hand, kept apart from what it was done to.

Services call it themselves, so that no page, view or command can forget it. What workers do all the
time is not in it: writing and deleting single keys, and asking for task tokens.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from django.conf import settings

from statestore.models import Asset, AuditEntry
from statestore.origin import Origin, origin
from statestore.protocol import AUDIT_REASON_MAX, AssetScope, Scope, TaskScope

SWEEP_BATCH = 1000
DETAIL_MAX = 2000  # characters


class Action(StrEnum):
    """What was done."""

    CLEARED_KEY = "cleared_key"
    CLEARED = "cleared"
    CLEARED_ALL_MAP_INDICES = "cleared_all_map_indices"
    CLEARED_RUN = "cleared_run"
    EDITED = "edited"
    RESTORED = "restored"
    EXTENDED = "extended"
    REVEALED = "revealed"
    NOT_A_SECRET = "not_a_secret"  # noqa: S105 - a word
    TOKEN_CREATED = "token_created"  # noqa: S105
    TOKEN_REVOKED = "token_revoked"  # noqa: S105
    SWEPT = "swept"
    LOGGED_IN = "logged_in"
    LOGIN_FAILED = "login_failed"
    LOGGED_OUT = "logged_out"
    ACCOUNT_CHANGED = "account_changed"
    WEBHOOK_CREATED = "webhook_created"
    WEBHOOK_CHANGED = "webhook_changed"
    WEBHOOK_DELETED = "webhook_deleted"
    WEBHOOK_TESTED = "webhook_tested"
    WEBHOOK_SENT_AGAIN = "webhook_sent_again"
    WEBHOOK_GAVE_UP = "webhook_gave_up"


def audit_record(
    *,
    action: Action,
    who: str = "",
    scope: Scope | None = None,
    key: str = "",
    detail: str = "",
    reason: str = "",
    source: Origin | None = None,
) -> None:
    """Keep what was just done; `who` and `source` where they are not those of the request."""
    source = source or origin()
    AuditEntry.objects.create(
        at=datetime.now(UTC),
        who=(who or source.who)[:200],
        action=action.value,
        address=source.address,
        key=key,
        detail=detail if len(detail) <= DETAIL_MAX else f"{detail[: DETAIL_MAX - 1]}…",
        reason=" ".join(reason.split())[:AUDIT_REASON_MAX],
        **_names(scope),
    )


def sweep_audit() -> int:
    """Delete, in small transactions, what is older than STATESTORE_AUDIT_DAYS; how many entries."""
    if not settings.STATESTORE_AUDIT_DAYS:
        return 0
    end, deleted = datetime.now(UTC) - timedelta(days=settings.STATESTORE_AUDIT_DAYS), 0
    while ids := _older_than(end):
        deleted += AuditEntry.objects.filter(pk__in=ids).delete()[0]
    return deleted


def _older_than(end: datetime) -> list[int]:
    rows = AuditEntry.objects.filter(at__lt=end).order_by("at")
    return list(rows.values_list("pk", flat=True)[:SWEEP_BATCH])


def _names(scope: Scope | None) -> dict[str, Any]:
    match scope:
        case TaskScope(dag_id, run_id, task_id, map_index):
            return {
                "dag_id": dag_id, "run_id": run_id, "task_id": task_id, "map_index": map_index,
            }  # fmt: skip
        case AssetScope(asset_id):
            name = Asset.objects.filter(pk=asset_id).values_list("name", flat=True).first()
            return {"asset": name or f"asset {asset_id}"}
        case None:
            return {}
