"""People who administer."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

ClientOf = Callable[..., Client]


@pytest.fixture
def staff(db: None) -> ClientOf:
    """Log in a member of staff who has these permissions, and no others."""

    def log_in(*codenames: str) -> Client:
        user = User.objects.create_user("sam", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client = Client()
        client.force_login(user)
        return client

    return log_in
