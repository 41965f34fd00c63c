"""Creating and revoking tokens."""

import logging
import secrets
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction

from statestore.access import Principal, Right, is_person, user_name
from statestore.models import ApiToken
from statestore.protocol import TaskScope
from statestore.queries import (
    API_TOKEN,
    forget_principals,
    sign_task_token,
    sign_user_token,
    token_digest,
)
from statestore.services.audit import Action, audit_record

logger = logging.getLogger(__name__)


@transaction.atomic
def api_token_create(
    *,
    name: str,
    rights: Iterable[Right],
    dag_patterns: str = "*",
    asset_patterns: str = "*",
    owner: str = "",
    expires_at: datetime | None = None,
) -> tuple[ApiToken, str]:
    """Create an API token; its row, and the secret that is shown this once and kept nowhere.

    Raises:
        ValidationError: the name or the owner is too long, or there is no name.
    """
    secret = API_TOKEN + secrets.token_urlsafe(32)
    token = ApiToken(
        name=name,
        digest=token_digest(secret),
        prefix=secret[:8],
        rights=",".join(sorted(rights)),
        dag_patterns=dag_patterns,
        asset_patterns=asset_patterns,
        owner=owner,
        expires_at=expires_at,
    )
    token.clean_fields(exclude={"dag_patterns", "asset_patterns"})  # which may be empty: none
    token.save()
    logger.info("API token %r was created", name)
    until = "never" if expires_at is None else f"{expires_at:%Y-%m-%d %H:%M}"
    reach = f"dags {dag_patterns}; assets {asset_patterns}"
    audit_record(
        action=Action.TOKEN_CREATED, detail=f"{token}: {token.rights}; {reach}; expires {until}"
    )
    return token, secret


def api_token_revoke(*, token_id: int) -> bool:
    """Revoke an API token; whether it was valid until now."""
    found = ApiToken.objects.filter(pk=token_id)
    with transaction.atomic():
        revoked = found.filter(revoked_at=None).update(revoked_at=datetime.now(UTC))
        if revoked:
            audit_record(action=Action.TOKEN_REVOKED, detail=str(found.get()))
    forget_principals()
    return revoked > 0


def user_token_create(*, user: Any, life: timedelta) -> str:
    """Log a user in over the API: a token that is the user for so long."""
    token = sign_user_token(user, datetime.now(UTC) + life)
    audit_record(action=Action.LOGGED_IN, who=user_name(user), detail="over the API")
    return token


def task_token_create(
    *,
    scope: TaskScope,
    expires_at: datetime,
    maker: Principal,
    assets: Collection[str] | None = None,
) -> str:
    """A token that reaches one task instance until then, and assets of these names (None: its maker's).

    One that a person makes is in the audit.
    """
    token = sign_task_token(scope, expires_at, maker=maker, assets=assets)
    if is_person(maker.name):
        until = f"task token, expires {expires_at:%Y-%m-%d %H:%M}"
        audit_record(action=Action.TOKEN_CREATED, who=maker.name, scope=scope, detail=until)
    return token
