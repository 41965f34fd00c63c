"""Whether people who look on are who they were, for all of them in one statement."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from statestore.sql.statement import Statement, columns

# An account as one text: a thousand of them are read every few seconds, to be compared with what they were.
_STANDING: Final = Statement(
    """
SELECT r.session, CASE WHEN u.is_active THEN 'active ' ELSE '' END
    || CASE WHEN u.is_staff THEN 'staff ' ELSE '' END
    || CASE WHEN u.is_superuser THEN 'superuser ' ELSE '' END || u.password || ' ' || u.username
FROM {rows}
JOIN django_session AS s ON s.session_key = r.session AND s.expire_date > %(now)s{at}
JOIN auth_user AS u ON u.id = r.account
""",
    {"session": "text", "account": "bigint"},
)

# The rows that grant rights: how many there are, and the newest, in each table.
_GRANTED: Final = Statement("""
SELECT 1, COUNT(*), MAX(id) FROM auth_user_user_permissions
UNION ALL SELECT 2, COUNT(*), MAX(id) FROM auth_user_groups
UNION ALL SELECT 3, COUNT(*), MAX(id) FROM auth_group_permissions
ORDER BY 1
""")


def standing(accounts: Sequence[tuple[str, int]], now: datetime) -> dict[str, str]:
    """Of sessions and the numbers of their accounts: the sessions that are alive, each with its `account`."""
    if not accounts:
        return {}
    rows = _STANDING.rows(rows=columns("session account", accounts), now=now)
    return dict(rows)


def account(user: Any) -> str:
    """What of an account decides who may see what, beside the rights that are granted; as it was read."""
    roles = [name for name in ("active", "staff", "superuser") if getattr(user, f"is_{name}")]
    return " ".join([*roles, user.password, user.get_username()])


def granted() -> list[tuple[Any, ...]]:
    """See _GRANTED."""
    return _GRANTED.rows()
