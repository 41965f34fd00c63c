"""Creating and revoking API tokens."""

import logging
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime

from statestore.access import Right
from statestore.models import ApiToken
from statestore.queries import API_TOKEN, forget_principals, token_digest

logger = logging.getLogger(__name__)


def api_token_create(
    *,
    name: str,
    rights: Iterable[Right],
    dag_patterns: str = "*",
    asset_patterns: str = "*",
    owner: str = "",
    expires_at: datetime | None = None,
) -> tuple[ApiToken, str]:
    """Create an API token; its row, and the secret that is shown this once and kept nowhere."""
    secret = API_TOKEN + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        name=name,
        digest=token_digest(secret),
        prefix=secret[:8],
        rights=",".join(sorted(rights)),
        dag_patterns=dag_patterns,
        asset_patterns=asset_patterns,
        owner=owner,
        expires_at=expires_at,
    )
    logger.info("API token %r was created", name)
    return token, secret


def api_token_revoke(*, token_id: int) -> bool:
    """Revoke an API token; whether it was valid until now."""
    revoked = ApiToken.objects.filter(pk=token_id, revoked_at=None).update(
        revoked_at=datetime.now(UTC)
    )
    forget_principals()
    return revoked > 0
