"""In how many keys something looks like a secret: the pill that every page shows, and keeps up to date."""

import time
from collections.abc import Callable, Hashable
from typing import Any, Final

from dashboard.watch import ASKED, watcher
from statestore import queries
from statestore.access import Principal, Right
from statestore.bounded import make_room
from statestore.errors import NotAuthenticatedError
from statestore.queries import Amount, principal_of_user

FRESH_SECONDS: Final = 5.0
_answers: dict[Hashable, tuple[float, Amount]] = {}
_ANSWERS_MAX: Final = 1000
_ANY: Final = "any"
_NONE: Final = Amount(0)
_polling: dict[Hashable, tuple[Principal, float]] = {}
"""For whom it was told from memory last, and when, by what they reach."""


def count_for(user: Any, principal: Principal | None = None) -> Amount:
    """In how many keys that the user may view something looks like a secret; at most 5 s old.

    The principal is the user's, if it is known: while there is nothing at all, it is not looked up for this.
    """
    if principal is not None:
        return _count(principal)
    if not _recent(_ANY, _is_any).number:
        return _NONE
    try:
        return _count(principal_of_user(user))
    except NotAuthenticatedError:
        return _NONE


def count_from_memory(principal: Principal, reach: Hashable) -> Amount | None:
    """The same as it was counted last, for polls; None: it is not known, and will be in a moment."""
    _polling[reach] = principal, time.monotonic()
    is_any = _answers.get(_ANY)
    known = _answers.get(reach) if is_any is None or is_any[1].number else is_any
    return None if known is None else known[1]


def forget_counts() -> None:
    """Count again at the next use."""
    _answers.clear()


def _count(principal: Principal) -> Amount:
    reach = reach_of(principal)
    return _recent(reach, lambda: _counted(principal)) if any(reach) else _NONE


def _counted(principal: Principal) -> Amount:
    count = queries.secret_count(principal)
    if count.number:
        _answers.pop(_ANY, None)  # it may say for some seconds yet that there is nothing
    return count


def reach_of(principal: Principal) -> tuple[Any, Any]:
    """What of the store they may view: who reach the same are told the same."""
    return principal.dag_patterns(Right.VIEW), principal.asset_patterns(Right.VIEW)


def _is_any() -> Amount:
    return Amount(int(queries.any_secret()))


def _recent(question: Hashable, ask: Callable[[], Amount]) -> Amount:
    now, known = time.monotonic(), _answers.get(question)
    if known is None or known[0] < now:
        known = (now + FRESH_SECONDS, ask())
        _answers.pop(question, None)
        make_room(_answers, _ANSWERS_MAX)
        _answers[question] = known
    return known[1]


def _recount() -> None:
    """Count again for all who look on."""
    now = time.monotonic()
    for reach, (principal, asked) in list(_polling.items()):
        if now - asked > ASKED:
            _polling.pop(reach, None)
        elif _recent(_ANY, _is_any).number:
            _count(principal)


watcher.beside.append(_recount)
