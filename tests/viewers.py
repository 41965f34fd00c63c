"""People who may view, logged in to a server."""

from dataclasses import dataclass
from typing import Final

from tests.server import Server

_MAKE: Final = """
from uuid import uuid4
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.backends.db import SessionStore
view = Permission.objects.get(codename="view_entry")
for _ in range({count}):
    user = User.objects.create(username=f"viewer-{{uuid4()}}")
    user.user_permissions.add(view)
    session = SessionStore()
    session[SESSION_KEY], session[HASH_SESSION_KEY] = str(user.pk), user.get_session_auth_hash()
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session.create()
    print(user.username, session.session_key)
"""


@dataclass(frozen=True)
class Viewer:
    """Somebody who may view, logged in."""

    name: str
    session: str

    @property
    def cookie(self) -> str:
        """What their browser sends along."""
        return f"sessionid={self.session}"

    @property
    def headers(self) -> dict[str, str]:
        """The same, of a browser that can be pushed to."""
        return {"Cookie": self.cookie, "Accept": "text/event-stream"}


def new_viewers(server: Server, count: int) -> list[Viewer]:
    """So many whom nobody else knows; to make one takes as long as to make many."""
    lines = server.manage("shell", "-v", "0", "-c", _MAKE.format(count=count)).splitlines()
    return [Viewer(*line.split()) for line in lines]
