"""The login and the token that the embedded Statestore hands out."""

from django.contrib.auth import get_user_model

from statestore import queries, services
from statestore.access import Right
from statestore.errors import NotAuthenticatedError
from statestore.launcher.home import Home

USERNAME = "admin"
TOKEN_NAME = "make run"  # noqa: S105 - a name


def admin_password(home: Home) -> str | None:
    """The password of the user admin, who is created the first time; None where it was changed."""
    users = get_user_model()._default_manager
    password = home.secret_or_new("admin-password", 12)
    user = users.filter(username=USERNAME).first()
    if user is None:
        users.create_superuser(USERNAME, password=password)
        return password
    return password if user.check_password(password) else None


def api_token(home: Home) -> str:
    """A token with every right: the kept one, while this database knows it, else a new one."""
    token = home.secret("api-token")
    if token:
        try:
            queries.principal_of_token(token)
        except NotAuthenticatedError:
            token = None
    if not token:
        _, token = services.api_token_create(name=TOKEN_NAME, rights=Right)
        home.keep("api-token", token)
    return token
