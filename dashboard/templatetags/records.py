"""Words of the pages that look back."""

from typing import Any

from django import template
from django.conf import settings

from dashboard.audit import WORDS
from dashboard.progress import number_text
from dashboard.secret_count import count_for
from statestore.queries import Amount
from statestore.services import Action

register = template.Library()


@register.simple_tag
def audit_word(action: str) -> str:
    """What was done, as people say it."""
    return WORDS[Action(action)] if action in set(Action) else action


@register.simple_tag(takes_context=True)
def secret_pill(context: dict[str, Any]) -> Amount | None:
    """In how many keys that this user may view something looks like a secret; None: in none."""
    user = getattr(context.get("request"), "user", None)
    known = user is not None and user.is_authenticated
    count = count_for(user, context.get("principal")) if known else None
    return count if count and count.number else None


@register.filter
def number(value: float) -> str:
    """`12,000`, `0.25`."""
    return number_text(value)


@register.simple_tag
def audit_kept() -> str:
    """For how long an entry is kept."""
    days = settings.STATESTORE_AUDIT_DAYS
    return f"Kept for {days:,} days." if days else "Kept for ever."
