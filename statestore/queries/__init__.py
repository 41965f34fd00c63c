"""Reads: frozen snapshots, never lazy querysets; an expired entry is in none. Split by subject."""

from statestore.queries.assets import (
    ASSET_ORDERS,
    Asset,
    AssetPage,
    AssetQuery,
    asset_get,
    asset_page,
)
from statestore.queries.credentials import (
    API_TOKEN,
    forget_principals,
    principal_of_token,
    principal_of_user,
    sign_task_token,
    sign_user_token,
    token_digest,
)
from statestore.queries.entries import (
    NO_ENTRIES,
    Entry,
    EntryPage,
    entry_get,
    entry_page,
    require_asset,
)
from statestore.queries.patterns import reached
from statestore.queries.retention import (
    ExpiredEntry,
    expired_count,
    expired_oldest,
    last_sweep,
    readiness,
)
from statestore.queries.search import TaskQuery, TaskSearch, task_search
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
from statestore.queries.tokens import TokenInfo, api_tokens, api_tokens_called
from statestore.queries.waiting import entry_wait

__all__ = [
    "ACTIVE_AT_LAG",
    "API_TOKEN",
    "ASSET_ORDERS",
    "NO_ENTRIES",
    "Asset",
    "AssetPage",
    "AssetQuery",
    "Entry",
    "EntryPage",
    "ExpiredEntry",
    "TaskDetail",
    "TaskFilter",
    "TaskPage",
    "TaskQuery",
    "TaskSearch",
    "TaskState",
    "TaskSummary",
    "TokenInfo",
    "api_tokens",
    "api_tokens_called",
    "asset_get",
    "asset_page",
    "entry_get",
    "entry_page",
    "entry_wait",
    "expired_count",
    "expired_oldest",
    "forget_principals",
    "last_sweep",
    "principal_of_token",
    "principal_of_user",
    "reached",
    "readiness",
    "require_asset",
    "sign_task_token",
    "sign_user_token",
    "task_detail",
    "task_instance_counts",
    "task_page",
    "task_search",
    "token_digest",
]
