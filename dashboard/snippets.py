"""Commands that people copy into a shell or a program: encoded and quoted for it."""

import shlex
from dataclasses import asdict
from urllib.parse import quote

from django.conf import settings

from statestore.protocol import MAP_INDEX_NONE, PROGRESS_KEY, AssetScope, Scope, TaskScope


def entry_url(base: str, scope: Scope, key: str) -> str:
    """The REST address of an entry on the server at `base` (`https://host/`)."""
    if isinstance(scope, AssetScope):
        return f"{base}api/v2/assets/{scope.asset_id}/state-store/{quote(key, safe='')}"
    dag, run, task, name = (quote(part, safe="") for part in (*_ids(scope), key))
    mapped = "" if scope.map_index == MAP_INDEX_NONE else f"?map_index={scope.map_index}"
    path = f"dags/{dag}/dagRuns/{run}/taskInstances/{task}/state-store/{name}{mapped}"
    return f"{base}api/v2/{path}"


def curl_read(base: str, scope: Scope, key: str) -> str:
    """A shell command that reads an entry."""
    url = shlex.quote(entry_url(base, scope, key))
    return f'curl -H "Authorization: Bearer $STATESTORE_TOKEN" \\\n  {url}'


def python_read(base: str, scope: Scope, key: str, *, asset: str = "") -> str:
    """A Python program that reads an entry; `asset` is the name of its asset."""
    if isinstance(scope, AssetScope):
        return f"{_python(base)}print(store.asset({asset!r}).get({key!r}))"
    ids = ", ".join(repr(part) for part in _ids(scope))
    mapped = "" if scope.map_index == MAP_INDEX_NONE else f", map_index={scope.map_index}"
    # Without `with`: that would start an attempt, and shut out the task that is being looked at.
    return f'{_python(base)}print(store.task({ids}{mapped})["task_store"].get({key!r}))'


def shell_read(base: str, scope: TaskScope, key: str) -> str:
    """A shell command of the SDK that reads an entry."""
    mapped = [] if scope.map_index == MAP_INDEX_NONE else [str(scope.map_index)]
    task = "/".join(
        part.replace("%", "%25").replace("/", "%2F") for part in (*_ids(scope), *mapped)
    )
    # An option's value and a key may begin with a hyphen.
    return (
        f"STATESTORE_URL={shlex.quote(base)} \\\n"
        f"  statestore get {shlex.quote(f'--task={task}')} -- {shlex.quote(key)}"
    )


def orchestrator_url(scope: TaskScope) -> str:
    """The task in the orchestrator that runs it, by STATESTORE_TASK_URL; empty: not set."""
    ids = {name: quote(str(value), safe="") for name, value in asdict(scope).items()}
    return settings.STATESTORE_TASK_URL.format(**ids) if settings.STATESTORE_TASK_URL else ""


_HELLO = TaskScope("demo", "run-1", "hello")


def curl_first(base: str) -> str:
    """A shell command that writes a first key."""
    value = shlex.quote('{"value": {"current": 1, "total": 10, "unit": "steps"}}')
    return (
        'curl -X PUT -H "Authorization: Bearer $STATESTORE_TOKEN" \\\n'
        f'  -H "Content-Type: application/json" -d {value} \\\n'
        f"  {shlex.quote(entry_url(base, _HELLO, PROGRESS_KEY))}"
    )


def python_first(base: str) -> str:
    """A Python program that writes a first key."""
    value = '{"current": 1, "total": 10, "unit": "steps"}'
    ids = ", ".join(repr(part) for part in _ids(_HELLO))
    write = f'context["task_store"].set({PROGRESS_KEY!r}, {value})'
    return f"{_python(base)}with store.task({ids}) as context:\n    {write}"


def _ids(scope: TaskScope) -> tuple[str, str, str]:
    return scope.dag_id, scope.run_id, scope.task_id


def _python(base: str) -> str:
    return (
        "from statestore.sdk import StateStore\n\n"
        f"store = StateStore({base!r})  # the token: STATESTORE_TOKEN\n"
    )
