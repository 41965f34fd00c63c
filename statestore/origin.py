"""Who does something by hand, and from where: known to services without being handed to them."""

import getpass
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from statestore.access import Principal, user_name

ADDRESS_MAX: Final = 64  # characters


@dataclass(frozen=True, slots=True)
class Origin:
    """Who acts (`user vera`, `token airflow`, `shell root`), and the address or host they act from."""

    who: str
    address: str = ""


SERVER: Final = Origin("server")
"""What nobody asked for: beat's own work."""

_current: ContextVar[HttpRequest | Origin] = ContextVar("origin", default=SERVER)


def origin() -> Origin:
    """Who acts now."""
    current = _current.get()
    return current if isinstance(current, Origin) else origin_of(current)


def origin_of(request: HttpRequest) -> Origin:
    """Who sent a request."""
    user: object = getattr(request, "user", None)
    if isinstance(user, Principal):
        return Origin(user.name, address_of(request))
    named = user is not None and getattr(user, "is_authenticated", False)
    return Origin(user_name(user) if named else "nobody", address_of(request))


def address_of(request: HttpRequest) -> str:
    """The address that a request came from.

    Behind STATESTORE_PROXIES proxies it is the one that the outermost of them saw; what stands before
    it in X-Forwarded-For was written by the client, and is not believed.
    """
    proxies = settings.STATESTORE_PROXIES
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    forwarded = hops[-proxies].strip() if proxies and len(hops) >= proxies else ""
    return str(forwarded or request.META.get("REMOTE_ADDR") or "")[:ADDRESS_MAX]


def remember_request(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: what happens during a request comes from it."""

    def remembering(request: HttpRequest) -> HttpResponseBase:
        with request_remembered(request):
            return get_response(request)

    return remembering


@contextmanager
def request_remembered(request: HttpRequest) -> Iterator[None]:
    """What happens inside comes from this request."""
    before = _current.set(request)
    try:
        yield
    finally:
        _current.reset(before)


@contextmanager
def at_shell() -> Iterator[None]:
    """What happens inside is done by whoever runs this process, on this host."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in containers
        name = "unknown"
    before = _current.set(Origin(f"shell {name}", socket.gethostname()[:ADDRESS_MAX]))
    try:
        yield
    finally:
        _current.reset(before)
