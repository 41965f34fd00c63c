"""Creating and revoking API tokens."""

import logging
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime

from statestore.access import Right
from statestore.models import ApiToken
from statestore.queries import forget_principals, token_digest

logger = logging.getLogger(__name__)

# Secret scanners recognise a token by its first characters; what follows are 256 random bits.
TOKEN_PREFIX = "sst_"  # noqa: S105 - the public part


def api_token_create(
    *,
    name: str,
    rights: Iterable[Right],
    dag_patterns: str = "*",
    expires_at: datetime | None = None,
) -> tuple[ApiToken, str]:
    """Create an API token; its row, and the secret that is shown this once and kept nowhere."""
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        name=name,
        digest=token_digest(secret),
        prefix=secret[:8],
        rights=",".join(sorted(rights)),
        dag_patterns=dag_patterns,
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
