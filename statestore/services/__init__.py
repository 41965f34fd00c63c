"""Writes: one function, one transaction. Split by subject."""

from statestore.services.assets import asset_register
from statestore.services.attempts import attempt_start
from statestore.services.batch import Operation, Outcome, batch_apply
from statestore.services.changes import Changed, entry_increment, entry_merge
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
from statestore.services.sweep import sweep_expired
from statestore.services.tokens import api_token_create, api_token_revoke

__all__ = [
    "ALWAYS",
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
    "batch_apply",
    "entries_clear",
    "entry_delete",
    "entry_increment",
    "entry_merge",
    "entry_patch",
    "entry_set",
    "sweep_expired",
]
