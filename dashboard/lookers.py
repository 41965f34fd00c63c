"""Who looks on, from memory: a page that asks every second whether it has changed needs no database."""

import time
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.signals import user_logged_out
from django.http import HttpRequest

from dashboard.watch import forget_unasked, watcher
from statestore import queries
from statestore.access import Principal
from statestore.bounded import make_room
from statestore.queries import principal_of_user


@dataclass(slots=True)
class _Looker:
    """Somebody who was looked up, or found to be who they were, at a time of the monotonic clock."""

    principal: Principal
    user: int
    account: str
    """What of the account decides, as `account_of` tells it."""
    looked_up: float
    seen: float
    asked: float


_known: dict[str, _Looker] = {}
_KNOWN_MAX: Final = 10_000
LOOK_UP_AGAIN: Final = 600.0  # seconds: to look a thousand up takes some seconds of a processor


def principal_of(request: HttpRequest) -> Principal:
    """The principal of a logged-in user, read anew, and known for the polls that follow.

    Raises:
        NotAuthenticatedError: nobody is logged in.
    """
    began = getattr(request, "began", time.monotonic())
    principal = principal_of_user(request.user)
    session = session_of(request)
    if session:
        account = queries.account_of(request.user)
        number = int(request.user.pk or 0)  # it has one: strangers were refused
        _known.pop(session, None)
        make_room(_known, _KNOWN_MAX)
        _known[session] = _Looker(principal, number, account, began, began, began)
    return principal


def session_of(request: HttpRequest) -> str:
    """The session that a browser names; empty: none."""
    return request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")


def is_known(session: str, principal: Principal) -> bool:
    """Whether this session belonged to this principal a few seconds ago; False: look them up."""
    looker = _known.get(session)
    # Nearly always it is the same object, and to compare two is dear.
    if looker is None or not (looker.principal is principal or looker.principal == principal):
        return False
    looker.asked = time.monotonic()
    return looker.asked - looker.seen < settings.STATESTORE_TOKEN_CACHE_SECONDS


def forget_lookers() -> None:
    """Look everybody up again."""
    _known.clear()


def _forget_session(*, request: HttpRequest, **_: Any) -> None:
    """Who logs out is looked up again, and nobody else. Who logs in gets a new session."""
    _known.pop(request.session.session_key or "", None)


user_logged_out.connect(_forget_session)


class _Check:
    """Looks after all who look on at once, so that a thousand cost no more queries than one.

    Who was looked up since the last check, or was found unchanged by it, is as they were if neither
    their session and account nor anybody's rights have changed from that check to this one. What a group
    reaches could change and change back between the two: so each is looked up again after LOOK_UP_AGAIN.
    """

    def __init__(self) -> None:
        self.read = 0.0
        self.rights: object = None

    def __call__(self) -> None:
        before, now = self.read, time.monotonic()
        if now - before < settings.STATESTORE_TOKEN_CACHE_SECONDS / 2:
            return
        forget_unasked(_known)
        here = dict(_known)
        if not here:
            return
        rights = queries.rights_mark()
        # Who was looked up before this moment may have the rights of before a change that is read here.
        same, self.rights, self.read = rights == self.rights, rights, time.monotonic()
        standing = queries.standing_of((session, known.user) for session, known in here.items())
        for session, known in here.items():
            is_one = standing.get(session) == known.account
            if is_one and same and known.seen >= before and now - known.looked_up < LOOK_UP_AGAIN:
                known.seen = self.read
            elif known.seen < now:  # nobody has looked them up meanwhile
                _known.pop(session, None)


watcher.beside.append(_Check())
