"""Reads: frozen snapshots, never lazy querysets; an expired entry is in none. Split by subject."""

from statestore.queries.assets import Asset, AssetPage, asset_get, asset_page
from statestore.queries.credentials import forget_principals, principal_of_token, token_digest
from statestore.queries.entries import (
    NO_ENTRIES,
    Entry,
    EntryPage,
    entry_get,
    entry_page,
    require_asset,
)
from statestore.queries.retention import ExpiredEntry, expired_count, expired_oldest, last_sweep
from statestore.queries.tasks import (
    ACTIVE_AT_LAG,
    TaskDetail,
    TaskFilter,
    TaskPage,
    TaskState,
    TaskSummary,
    task_detail,
    task_instance_counts,
    task_page,
)

__all__ = [
    "ACTIVE_AT_LAG",
    "NO_ENTRIES",
    "Asset",
    "AssetPage",
    "Entry",
    "EntryPage",
    "ExpiredEntry",
    "TaskDetail",
    "TaskFilter",
    "TaskPage",
    "TaskState",
    "TaskSummary",
    "asset_get",
    "asset_page",
    "entry_get",
    "entry_page",
    "expired_count",
    "expired_oldest",
    "forget_principals",
    "last_sweep",
    "principal_of_token",
    "require_asset",
    "task_detail",
    "task_instance_counts",
    "task_page",
    "token_digest",
]
