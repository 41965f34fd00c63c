"""Log-ins, failed ones and log-outs, wherever they happen, for the audit."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest

from statestore.access import user_name
from statestore.origin import SERVER, Origin, address_of
from statestore.services.audit import Action, audit_record

STRANGER = "nobody"


@receiver(user_logged_in, dispatch_uid="audit")
def _logged_in(*, request: HttpRequest | None, user: Any, **_: Any) -> None:
    _record(Action.LOGGED_IN, user_name(user), request)


@receiver(user_logged_out, dispatch_uid="audit")
def _logged_out(*, request: HttpRequest | None, user: Any, **_: Any) -> None:
    if user is not None:
        _record(Action.LOGGED_OUT, user_name(user), request)


@receiver(user_login_failed, dispatch_uid="audit")
def _failed(*, credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    """A name that no user has is not kept: people type their password there by mistake."""
    users = get_user_model()
    field = users.USERNAME_FIELD
    typed = str(credentials.get("username", credentials.get(field, ""))).replace("\0", "")
    user = users._default_manager.filter(**{field: typed}).first()
    if user is None:
        _record(Action.LOGIN_FAILED, STRANGER, request, "with a name that no user has")
    else:
        _record(Action.LOGIN_FAILED, user_name(user), request)


def _record(action: Action, who: str, request: HttpRequest | None, detail: str = "") -> None:
    address = SERVER.address if request is None else address_of(request)
    audit_record(action=action, source=Origin(who, address), detail=detail)
