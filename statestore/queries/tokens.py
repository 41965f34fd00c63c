"""API tokens, as those who administer them see them."""

from dataclasses import dataclass
from datetime import UTC, datetime

from statestore.models import ApiToken


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """An API token without its secret."""

    id: int
    prefix: str
    name: str
    owner: str
    rights: str
    dag_patterns: str
    asset_patterns: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    @property
    def state(self) -> str:
        """Whether it is still let in."""
        if self.revoked_at is not None:
            return "revoked"
        over = self.expires_at is not None and self.expires_at <= datetime.now(UTC)
        return "expired" if over else "valid"


def api_tokens() -> list[TokenInfo]:
    """All of them, oldest first."""
    return [_info(row) for row in ApiToken.objects.order_by("pk")]


def api_tokens_called(word: str) -> list[TokenInfo]:
    """Those with this number, or whose secret begins so as far as that is known."""
    if word.isascii() and word.isdecimal():
        rows = ApiToken.objects.filter(pk=int(word)) if len(word) < 19 else ApiToken.objects.none()
    else:
        rows = ApiToken.objects.filter(prefix=word[: len("sst_") + 4])
    return [_info(row) for row in rows.order_by("pk")]


def _info(row: ApiToken) -> TokenInfo:
    return TokenInfo(
        id=row.pk,
        prefix=row.prefix,
        name=row.name,
        owner=row.owner,
        rights=row.rights,
        dag_patterns=row.dag_patterns,
        asset_patterns=row.asset_patterns,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )
