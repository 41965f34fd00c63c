"""Who presents which credentials."""

import time
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed

from statestore.access import Principal, parse_rights
from statestore.errors import NotAuthenticatedError
from statestore.models import ApiToken

_principals: dict[bytes, tuple[float, Principal, datetime | None]] = {}
_PRINCIPALS_MAX = 10_000


def token_digest(secret: str) -> bytes:
    """What is stored of a token: its SHA-256 (the secret itself is 256 random bits)."""
    return sha256(secret.encode()).digest()


def principal_of_token(secret: str) -> Principal:
    """Who presents this token.

    Known tokens are remembered for STATESTORE_TOKEN_CACHE_SECONDS; a revocation takes effect within
    that time in other processes, and at once in this one.

    Raises:
        NotAuthenticatedError: there is no such token, or it is revoked or expired.
    """
    digest, now = token_digest(secret), time.monotonic()
    known = _principals.get(digest)
    if known is None or known[0] < now:
        known = (now + settings.STATESTORE_TOKEN_CACHE_SECONDS, *_read_token(digest))
        if len(_principals) >= _PRINCIPALS_MAX:
            _principals.clear()
        _principals[digest] = known
    _, principal, expires_at = known
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise NotAuthenticatedError("This token has expired: ask for a new one.")
    return principal


def forget_principals(**_: Any) -> None:
    """Look every token up again at its next use."""
    _principals.clear()


setting_changed.connect(forget_principals)


def _read_token(digest: bytes) -> tuple[Principal, datetime | None]:
    token = ApiToken.objects.filter(digest=digest).first()
    if token is None:
        raise NotAuthenticatedError("This token is not known: was it typed in full?")
    if token.revoked_at is not None:
        raise NotAuthenticatedError("This token was revoked: ask for a new one.")
    patterns = tuple(pattern.strip() for pattern in token.dag_patterns.split(","))
    rights = parse_rights(token.rights.split(","))
    return Principal(f"token {token.name}", rights, patterns), token.expires_at
