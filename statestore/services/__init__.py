"""Writes: one function, one transaction. Split by subject."""

from statestore.services.attempts import attempt_start
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
    "Expiry",
    "Precondition",
    "Writer",
    "api_token_create",
    "api_token_revoke",
    "attempt_start",
    "entries_clear",
    "entry_delete",
    "entry_patch",
    "entry_set",
    "sweep_expired",
]
