"""Writes: one function, one transaction. Split by subject."""

from statestore.services.assets import asset_register
from statestore.services.attempts import attempt_start
from statestore.services.audit import Action, audit_record, sweep_audit
from statestore.services.batch import Operation, Outcome, batch_apply
from statestore.services.changes import Changed, entry_increment, entry_merge
from statestore.services.deliveries import delivery_send_again, send_webhooks, sweep_webhooks
from statestore.services.entries import (
    ALWAYS,
    Expiry,
    Precondition,
    Writer,
    entries_clear,
    entry_delete,
    entry_patch,
    entry_set,
)
from statestore.services.history import (
    entry_edit,
    entry_extend,
    entry_restore,
    sweep_samples,
    sweep_versions,
)
from statestore.services.incidents import find_incidents
from statestore.services.runs import run_clear
from statestore.services.secrets import scan_secrets, secret_dismiss, secret_reveal
from statestore.services.sweep import sweep_expired
from statestore.services.tokens import (
    api_token_create,
    api_token_revoke,
    task_token_create,
    user_token_create,
)
from statestore.services.webhooks import (
    webhook_change,
    webhook_create,
    webhook_delete,
    webhook_renew_secret,
    webhook_switch,
    webhook_test,
)

__all__ = [
    "ALWAYS",
    "Action",
    "Changed",
    "Expiry",
    "Operation",
    "Outcome",
    "Precondition",
    "Writer",
    "api_token_create",
    "api_token_revoke",
    "asset_register",
    "attempt_start",
    "audit_record",
    "batch_apply",
    "delivery_send_again",
    "entries_clear",
    "entry_delete",
    "entry_edit",
    "entry_extend",
    "entry_increment",
    "entry_merge",
    "entry_patch",
    "entry_restore",
    "entry_set",
    "find_incidents",
    "run_clear",
    "scan_secrets",
    "secret_dismiss",
    "secret_reveal",
    "send_webhooks",
    "sweep_audit",
    "sweep_expired",
    "sweep_samples",
    "sweep_versions",
    "sweep_webhooks",
    "task_token_create",
    "user_token_create",
    "webhook_change",
    "webhook_create",
    "webhook_delete",
    "webhook_renew_secret",
    "webhook_switch",
    "webhook_test",
]
