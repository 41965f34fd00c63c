"""Every route and verb, for every kind of caller: one table, and none may do more than it says."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import get_resolver

from statestore.access import Right
from statestore.api.bodies import MERGE_PATCH
from statestore.api.urls import urlpatterns
from statestore.models import ApiToken, AssetEntry, Entry, GroupReach, TaskInstance
from statestore.services import api_token_create, api_token_revoke, asset_register
from tests.api.conftest import JSON, Answer, Api, task_path

# no: no credentials; bad: a token that was never made; old, rev: one that has expired, was revoked;
# oth: a token with every right over other dags and assets; v, w, c: one that may view, write, clear
# alone; t2, t: a task token of another task, of this one; u0: a user without rights; u2: one who may
# view what a group reaches, another dag; csr, su: a superuser's session without and with the CSRF token;
# tm: a task token of another map index; uw, stu: a user who may view and write here, in a session and
# with a log-in token; a: a token that may administer alone. After a + stands what kind of body is sent.
TABLE = """
                                     no  bad old rev oth v   w   c   t2  t   u0  u2  csr su  tm  uw  stu a
GET    TASK/state-store              401 401 401 401 200 200 403 403 200 200 403 200 200 200 200 200 200 403
DELETE TASK/state-store              401 401 401 401 403 403 403 204 403 204 403 403 403 204 403 403 403 403
GET    TASK/state-store/n            401 401 401 401 404 200 403 403 404 200 403 404 200 200 404 200 200 403
PUT    TASK/state-store/n            401 401 401 401 403 403 204 403 403 204 403 403 403 204 403 204 204 403
PATCH  TASK/state-store/n            401 401 401 401 403 403 200 403 403 200 403 403 403 200 403 200 200 403
PATCH  TASK/state-store/n+merge      401 401 401 401 403 403 403 403 403 200 403 403 403 200 403 200 200 403
DELETE TASK/state-store/n            401 401 401 401 403 403 204 204 403 204 403 403 403 204 403 204 204 403
POST   TASK/state-store/n/increment  401 401 401 401 403 403 403 403 403 200 403 403 403 200 403 200 200 403
GET    TASK/state-store/n/increment  401 401 401 401 404 200 403 403 404 200 403 404 200 200 404 200 200 403
PUT    TASK/state-store/n/increment  401 401 401 401 403 403 204 403 403 204 403 403 403 204 403 204 204 403
PATCH  TASK/state-store/n/increment  401 401 401 401 403 403 200 403 403 200 403 403 403 200 403 200 200 403
DELETE TASK/state-store/n/increment  401 401 401 401 403 403 204 204 403 204 403 403 403 204 403 204 204 403
POST   TASK/attempts                 401 401 401 401 403 403 201 403 403 201 403 403 403 201 403 201 201 403
GET    task-instances                401 401 401 401 200 200 403 403 200 200 403 200 200 200 200 200 200 403
POST   state-store/batch             401 401 401 401 403 403 200 403 403 200 403 403 403 200 403 200 200 403
POST   state-store/batch+get         401 401 401 401 200 200 403 403 200 200 403 200 403 200 200 200 200 403
POST   state-store/batch+delete      401 401 401 401 403 403 200 200 403 200 403 403 403 200 403 200 200 403
GET    assets                        401 401 401 401 200 200 403 403 200 200 403 200 200 200 200 200 200 403
POST   assets                        401 401 401 401 403 403 200 403 200 200 403 403 403 200 200 200 200 403
GET    ASSET                         401 401 401 401 404 200 403 403 200 200 403 404 200 200 200 200 200 403
GET    ASSET/state-store             401 401 401 401 404 200 403 403 200 200 403 404 200 200 200 200 200 403
DELETE ASSET/state-store             401 401 401 401 404 403 403 204 204 204 403 404 403 204 204 403 403 403
GET    ASSET/state-store/n           401 401 401 401 404 200 403 403 200 200 403 404 200 200 200 200 200 403
PUT    ASSET/state-store/n           401 401 401 401 404 403 204 403 204 204 403 404 403 204 204 204 204 403
DELETE ASSET/state-store/n           401 401 401 401 404 403 204 204 204 204 403 404 403 204 204 204 204 403
POST   ASSET/state-store/n/increment 401 401 401 401 404 403 403 403 200 200 403 404 403 200 200 200 200 403
GET    ASSET/state-store/n/increment 401 401 401 401 404 200 403 403 200 200 403 404 200 200 200 200 200 403
PUT    ASSET/state-store/n/increment 401 401 401 401 404 403 204 403 204 204 403 404 403 204 204 204 204 403
DELETE ASSET/state-store/n/increment 401 401 401 401 404 403 204 204 204 204 403 404 403 204 204 204 204 403
POST   task-tokens                   401 401 401 401 403 403 403 403 403 201 403 403 403 201 403 403 403 403
POST   auth/token                    201 201 201 201 201 201 201 201 201 201 201 201 201 201 201 201 201 201
GET    healthz                       200 200 200 200 200 200 200 200 200 200 200 200 200 200 200 200 200 200
GET    readyz                        200 200 200 200 200 200 200 200 200 200 200 200 200 200 200 200 200 200
GET    metrics                       401 401 401 401 200 200 403 403 200 200 403 200 200 200 200 200 200 403
GET    schema                        200 200 200 200 200 200 200 200 200 200 200 200 200 200 200 200 200 200
GET    docs                          200 200 200 200 200 200 200 200 200 200 200 200 200 200 200 200 200 200
GET    nowhere                       401 401 401 401 404 404 404 404 404 404 404 404 404 404 404 404 404 404
"""

VERBS = {"GET", "PUT", "POST", "PATCH", "DELETE"}
_lines = [line.split() for line in TABLE.strip().splitlines()]
CALLERS = _lines[0]
ROWS = {
    (method, name): dict(zip(CALLERS, map(int, statuses), strict=True))
    for method, name, *statuses in _lines[1:]
}
# Who may see nothing of the one task instance and of the one asset, whatever the answer's status.
STRANGERS = {"no", "bad", "old", "rev", "oth", "u0", "u2", "w", "c", "a"}
HIDDEN = {"TASK": STRANGERS | {"t2", "tm"}, "ASSET": STRANGERS}
PASSWORD = "a long one for the matrix"
Send = Callable[..., Answer]


def test_the_table_has_every_route_and_verb() -> None:
    resolver = get_resolver()
    seen = set()
    for method, name in ROWS:
        path = name.partition("+")[0].replace("ASSET", "assets/1")
        path = path.replace("TASK", "dags/d/dagRuns/r/taskInstances/t")
        match = resolver.resolve(f"/api/v2/{path}")
        seen.add((match.route.removeprefix("api/v2/"), method))
    for pattern in urlpatterns:
        view = pattern.callback.view_class  # type: ignore[attr-defined]
        route = str(pattern.pattern).removeprefix("^")
        verbs = [verb for verb in VERBS if verb.lower() in view.http_method_names]
        offered = {verb for verb in verbs if hasattr(view, verb.lower())} or {"GET"}
        missing = {verb for verb in offered if (route, verb) not in seen}
        assert not missing, f"{pattern.pattern} {missing}"


class World:
    """One task instance with a key, one asset with a key, and everybody who may come."""

    def __init__(self, api: Api) -> None:
        self.api, self.scope = api, api.scope
        self.name = f"{self.scope.run_id}-orders"
        self.asset = asset_register(name=self.name, uri="s3://orders")[0].id
        self.user = User.objects.create_superuser("super", password=PASSWORD)
        self.senders = {caller: getattr(self, f"_{caller}")() for caller in CALLERS}
        self.before = self._stored()

    def path(self, name: str) -> str:
        name, task = name.partition("+")[0], task_path(self.scope, "").rstrip("/")
        if name.startswith("TASK"):
            return name.replace("TASK", task)
        return "/api/v2/" + name.replace("ASSET", f"assets/{self.asset}")

    def body(self, method: str, name: str) -> bytes:
        scope = self.scope
        ids = {"dag_id": scope.dag_id, "run_id": scope.run_id, "task_id": scope.task_id}
        operation = {**ids, "key": "n"}
        bodies: dict[str, Any] = {
            "state-store/batch": {"operations": [{"op": "set", **operation, "value": 2}]},
            "state-store/batch+get": {"operations": [{"op": "get", **operation}]},
            "state-store/batch+delete": {"operations": [{"op": "delete", **operation}]},
            "TASK/state-store/n+merge": {"a": 2},
            "assets": {"name": self.name, "uri": "s3://orders"},
            "task-tokens": ids,
            "auth/token": {"username": "super", "password": PASSWORD},
        }
        default = {"by": 1} if method == "POST" else {"value": 2}
        return json.dumps(bodies.get(name, default)).encode()

    def reset(self) -> None:
        """Put back what the caller before may have changed."""
        for key in ("n", "n/increment"):
            for path in (task_path(self.scope), f"/api/v2/assets/{self.asset}/state-store"):
                self.api.send("PUT", f"{path}/{key}", b'{"value": 1}')
        self.before = self._stored()

    def unchanged(self) -> bool:
        return self._stored() == self.before

    def _stored(self) -> list[Any]:
        columns = ("key", "value", "version")
        return [
            sorted(Entry.objects.values_list(*columns)),
            sorted(AssetEntry.objects.values_list(*columns)),
            sorted(TaskInstance.objects.values_list("dag_id", "run_id", "task_id", "attempt")),
            ApiToken.objects.count(),
        ]

    # --- who comes ---

    def _bearer(self, secret: str) -> Send:
        return self.api.at(token=secret).send

    def _token(self, *rights: Right, **options: Any) -> Send:
        return self._bearer(api_token_create(name="matrix", rights=rights, **options)[1])

    def _no(self) -> Send:
        return self.api.at(token=None).send

    def _bad(self) -> Send:
        return self._bearer("sst_garbage")

    def _old(self) -> Send:
        return self._token(*Right, expires_at=datetime.now(UTC) - timedelta(seconds=1))

    def _rev(self) -> Send:
        token, secret = api_token_create(name="matrix", rights=Right)
        api_token_revoke(token_id=token.pk)
        return self._bearer(secret)

    def _oth(self) -> Send:
        return self._token(*Right, dag_patterns="hr_*", asset_patterns="hr_*")

    def _v(self) -> Send:
        return self._token(Right.VIEW)

    def _w(self) -> Send:
        return self._token(Right.WRITE)

    def _c(self) -> Send:
        return self._token(Right.CLEAR)

    def _task_token(self, task_id: str, **more: int) -> Send:
        ids = {"dag_id": self.scope.dag_id, "run_id": self.scope.run_id, "task_id": task_id, **more}
        answer = self.api.send_json("POST", "/api/v2/task-tokens", ids)
        return self._bearer(answer.json()["token"])

    def _t(self) -> Send:
        return self._task_token(self.scope.task_id)

    def _t2(self) -> Send:
        return self._task_token("another")

    def _tm(self) -> Send:
        return self._task_token(self.scope.task_id, map_index=3)

    def _a(self) -> Send:
        return self._token(Right.ADMINISTER)

    def _session(self, user: User, *, csrf: bool = True) -> Send:
        client = Client(enforce_csrf_checks=True)
        client.force_login(user)
        headers = {"X-CSRFToken": "a" * 32} if csrf else {}
        client.cookies["csrftoken"] = "a" * 32

        def send(method: str, path: str, content: bytes, *, content_type: str = JSON) -> Answer:
            return client.generic(method, path, content, content_type, headers=headers)

        return send

    def _u0(self) -> Send:
        return self._session(User.objects.create_user("user0"))

    def _u2(self) -> Send:
        return self._session(self._member("user2", "hr_*", "hr_*", "view_entry"))

    def _uw(self) -> Send:
        return self._session(self._writing("writer"))

    def _stu(self) -> Send:
        user = self._writing("writer in a shell")
        content = json.dumps({"username": user.username, "password": PASSWORD}).encode()
        answer = self.api.at(token=None).send("POST", "/api/v2/auth/token", content)
        return self._bearer(answer.json()["access_token"])

    def _writing(self, name: str) -> User:
        rights = ("view_entry", "change_entry")
        return self._member(name, self.scope.dag_id, f"{self.scope.run_id}-*", *rights)

    def _member(self, name: str, dags: str, assets: str, *codenames: str) -> User:
        group = Group.objects.create(name=name)
        group.permissions.set(Permission.objects.filter(codename__in=codenames))
        GroupReach.objects.create(group=group, dag_patterns=dags, asset_patterns=assets)
        user = User.objects.create_user(name, password=PASSWORD)
        user.groups.add(group)
        return user

    def _csr(self) -> Send:
        return self._session(self.user, csrf=False)

    def _su(self) -> Send:
        return self._session(self.user)


@pytest.fixture
def world(api: Api, settings: Any) -> World:
    from django.core.cache import cache

    settings.STATESTORE_LOGIN_LIMIT = 10_000
    cache.clear()
    return World(api)


@pytest.mark.parametrize(("method", "name"), ROWS, ids=lambda word: str(word))
def test_each_caller_gets_what_the_table_says(world: World, method: str, name: str) -> None:
    found, leaks = {}, []
    for caller, send in world.senders.items():
        world.reset()
        kind = MERGE_PATCH if name.endswith("+merge") else JSON
        answer = send(method, world.path(name), world.body(method, name), content_type=kind)
        found[caller] = answer.status_code
        hidden = caller in HIDDEN.get(name.partition("/")[0], set())
        if answer.status_code >= 400:
            assert world.unchanged(), caller
            assert set(answer.json()) >= {"detail", "code"}
        if hidden and re.search(rb'"value"|"name"', answer.content):
            leaks.append(caller)
    assert found == ROWS[method, name]
    assert leaks == []
