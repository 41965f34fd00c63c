"""Who presents which credentials: tokens that are stored, tokens that are signed, users."""

import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core import signing
from django.core.signals import setting_changed
from django.db.models import Q

from statestore.access import (
    USER_PERMISSIONS,
    Grant,
    Principal,
    Right,
    parse_patterns,
    parse_rights,
    user_name,
)
from statestore.bounded import make_room
from statestore.errors import NotAuthenticatedError
from statestore.models import ApiToken
from statestore.protocol import TASK_TOKEN_PREFIX, TaskScope

# Secret scanners recognise a token by its first characters.
API_TOKEN = "sst_"  # noqa: S105 - the public part
TASK_TOKEN = TASK_TOKEN_PREFIX
USER_TOKEN = "stu_"  # noqa: S105

_TASK_RIGHTS = frozenset({Right.VIEW, Right.WRITE, Right.CLEAR})
_PRINCIPAL = "_statestore_principal"
_LAST_USED_LAG = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class _Known:
    principal: Principal
    look_again: float  # on the monotonic clock


_known: dict[bytes, _Known] = {}
_KNOWN_MAX = 10_000


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
    known = _known.get(digest)
    if known is None or known.look_again < now:
        look_again = now + settings.STATESTORE_TOKEN_CACHE_SECONDS
        known = _Known(_read_token(secret, digest), look_again)
        _known.pop(digest, None)
        make_room(_known, _KNOWN_MAX)
        _known[digest] = known
    ends = known.principal.expires_at
    if ends is not None and ends <= datetime.now(UTC):
        raise NotAuthenticatedError("This token has expired: ask for a new one.")
    return known.principal


def forget_principals(**_: Any) -> None:
    """Look every token up again at its next use."""
    _known.clear()


setting_changed.connect(forget_principals)


def principal_of_user(user: Any) -> Principal:
    """The principal behind a logged-in user, limited to what the user's groups reach.

    Raises:
        NotAuthenticatedError: nobody is logged in.
    """
    if not user.is_active or user.is_anonymous:
        raise NotAuthenticatedError
    known: Principal | None = getattr(user, _PRINCIPAL, None)
    if known is None:  # for as long as Django remembers the user's permissions: this request
        known = _principal_of_user(user)
        setattr(user, _PRINCIPAL, known)
    return known


def _principal_of_user(user: Any) -> Principal:
    rights = frozenset(right for right, name in USER_PERMISSIONS.items() if user.has_perm(name))
    name, origin = user_name(user), f"user {user.pk}"
    grants = (Grant(rights),) if user.is_superuser else _grants_within(user, rights)
    return Principal(name, grants, origin=origin)


def _grants_within(user: Any, rights: frozenset[Right]) -> tuple[Grant, ...]:
    """A group's rights over what it reaches; the user's other rights over what any of them reaches."""
    found: dict[int, tuple[str | None, str | None, set[str]]] = {}
    fields = ("reach__dag_patterns", "reach__asset_patterns")
    permission = ("permissions__content_type__app_label", "permissions__codename")
    for pk, dags, assets, app, codename in Group.objects.filter(user=user).values_list(
        "pk", *fields, *permission
    ):
        found.setdefault(pk, (dags, assets, set()))[2].add(f"{app}.{codename}")
    apart = set().union(*(names for dags, _, names in found.values() if dags is None))
    everywhere = _rights_of(apart | user.get_user_permissions()) & rights
    grants = tuple(
        Grant(
            everywhere | (_rights_of(names) & rights),
            parse_patterns(dags),
            parse_patterns(assets or ""),
        )
        for dags, assets, names in found.values()
        if dags is not None
    )
    return grants or (Grant(rights),)


def _rights_of(permissions: set[str]) -> frozenset[Right]:
    return frozenset(right for right, name in USER_PERMISSIONS.items() if name in permissions)


def _read_token(secret: str, digest: bytes) -> Principal:
    if secret.startswith(TASK_TOKEN):
        return _read_task_token(secret)
    if secret.startswith(USER_TOKEN):
        return _read_user_token(secret)
    return _read_api_token(digest)


def _read_api_token(digest: bytes) -> Principal:
    token = ApiToken.objects.filter(digest=digest).first()
    if token is None:
        raise NotAuthenticatedError("This token is not known: was it typed in full?")
    principal, now = _principal_of_row(token), datetime.now(UTC)
    if token.last_used_at is None or token.last_used_at < now - _LAST_USED_LAG:
        seen = Q(last_used_at=token.last_used_at)
        ApiToken.objects.filter(seen, pk=token.pk).update(last_used_at=now)
    return principal


def _principal_of_row(token: ApiToken) -> Principal:
    if token.revoked_at is not None:
        raise NotAuthenticatedError("This token was revoked: ask for a new one.")
    dags, assets = parse_patterns(token.dag_patterns), parse_patterns(token.asset_patterns)
    grant = Grant(parse_rights(token.rights.split(",")), dags, assets)
    name, origin = f"token {token.name}", f"token {token.pk}"
    return Principal(name, (grant,), origin=origin, expires_at=token.expires_at)


# --- signed tokens: nothing of them is stored ---


def sign_task_token(
    scope: TaskScope,
    expires_at: datetime,
    *,
    maker: Principal,
    assets: Collection[str] | None = None,
) -> str:
    """A token that reaches one task instance until then, or until its maker's rights end.

    It also reaches the assets of these names that its maker reaches, or (None) all of them.
    """
    if maker.assets is not None:
        assets = maker.assets.intersection(maker.assets if assets is None else assets)
    ids = [scope.dag_id, scope.run_id, scope.task_id, scope.map_index]
    parts: list[Any] = [*ids, expires_at.timestamp(), maker.origin]
    if assets is not None:
        parts.append(sorted(assets))
    return TASK_TOKEN + signing.dumps(parts, salt=TASK_TOKEN)


def _read_task_token(secret: str) -> Principal:
    dag, run, task, map_index, expires, origin, *named = _signed(secret, TASK_TOKEN)
    scope, maker = TaskScope(dag, run, task, map_index), _maker(origin)
    grants = tuple(
        Grant(grant.rights & _TASK_RIGHTS, grant.dag_patterns, grant.asset_patterns)
        for grant in maker.grants
    )
    assets = frozenset(named[0]) if named else None
    expires_at = datetime.fromtimestamp(expires, UTC)
    return Principal(f"task {scope}", grants, scope, assets, origin, expires_at)


def _maker(origin: str) -> Principal:
    """Who made a task token, as they are now: a revoked token or a locked user ends it."""
    kind, _, pk = origin.partition(" ")
    if kind == "token" and (token := ApiToken.objects.filter(pk=pk).first()):
        return _principal_of_row(token)
    if kind == "user" and (user := get_user_model().objects.filter(pk=pk).first()):
        return principal_of_user(user)
    raise NotAuthenticatedError("Who made this token is gone: ask for a new one.")


def sign_user_token(user: Any, expires_at: datetime) -> str:
    """A token that is the user until then; a new password ends it."""
    mark = user.get_session_auth_hash()[:16]
    return USER_TOKEN + signing.dumps([user.pk, mark, int(expires_at.timestamp())], salt=USER_TOKEN)


def _read_user_token(secret: str) -> Principal:
    pk, mark, expires = _signed(secret, USER_TOKEN)
    user = get_user_model().objects.filter(pk=pk).first()
    if user is None or user.get_session_auth_hash()[:16] != mark:
        raise NotAuthenticatedError("This token is no longer valid: log in again.")
    return replace(principal_of_user(user), expires_at=datetime.fromtimestamp(expires, UTC))


def _signed(secret: str, prefix: str) -> list[Any]:
    try:
        return list(signing.loads(secret.removeprefix(prefix), salt=prefix))
    except signing.BadSignature:
        raise NotAuthenticatedError("This token is not known: was it typed in full?") from None
