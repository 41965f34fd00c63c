"""How the time of a PUT is spent, in this process and without a network, in microseconds of a processor.

`python -m tests.benchmarks.put_profile [requests]`, over a store of its own (own_store.py). A timer of the
processor looks at the kernel's ticks where the process is; the innermost function that belongs to a part says
whose time it was, so that the parts add up to the whole. Python looks when it calls something, so what is
computed just before may count for that: small parts are about.
"""

import json
import signal
import sys
import time
from collections import Counter
from io import BytesIO, StringIO
from types import FrameType
from typing import Any, Final

from tests.benchmarks.own_store import own_store

EVERY: Final = (
    0.001  # seconds of a processor from one look to the next; the kernel may round them up
)
TASKS: Final = 64
PARTS: Final = {
    "the statement: libpq, the kernel, parameters and rows": ("/statestore/sql/",),
    "the request: Django's object of it, and its body": ("/core/handlers/wsgi.py", "/api/bodies.py"),
    "the route": ("/django/urls/",),
    "who asks, what they may, their headers and ids": (
        "/api/authentication.py", "/queries/credentials.py", "/statestore/access.py", "/api/params.py",
    ),
    "whether something looks like a secret": ("/statestore/secrets_scan.py", "/statestore/secret_forms.py"),
    "JSON: read, checked, written": ("/json/", "/statestore/jsontext/"),
    "the answer": ("/django/http/response.py", "/api/answer.py"),
    "the service: expiry, status, versions": ("/statestore/services/",),
    "the connection, and Django's share of it": ("/django/db/",),
    "the view and the handler around them": (
        "/django/views/", "/api/entries.py", "/api/base.py", "/api/handler.py", "/statestore/origin.py",
        "/statestore/application.py", "/dashboard/polls.py",
    ),
}  # fmt: skip
_OTHERS: Final = "who asks here, instead of a web server"


def main(requests: int = 50_000) -> None:
    """Measure, and print."""
    with own_store():
        _measure(requests)


def _measure(requests: int) -> None:
    from django.core.management import call_command
    from django.db import connection

    from statestore.wsgi import application

    told = StringIO()
    call_command("create_api_token", "bench", rights="view,write", stdout=told)
    environs = [_environ(told.getvalue().strip(), number) for number in range(TASKS)]
    bodies = [
        json.dumps({"value": {"current": n, "total": 1000, "status": "running"}}).encode()
        for n in range(1000)
    ]

    def put(number: int) -> None:
        body, seen = bodies[number % len(bodies)], []
        environ = {
            **environs[number % TASKS],
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": BytesIO(body),
        }
        application(environ, lambda status, *_: seen.append(status))
        assert seen == ["204 No Content"], seen

    for number in range(1_000):  # what is remembered, and prepared
        put(number)
    found: Counter[str] = Counter()
    signal.signal(signal.SIGPROF, lambda _, frame: found.update([_part(frame)]))
    began = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)
    for number in range(requests):
        put(number)
    signal.setitimer(signal.ITIMER_PROF, 0)
    whole = (time.process_time() - began) / requests * 1e6
    store = connection.vendor
    print(f"{whole:6.1f} µs for each of {requests:,} PUTs on {store}, of that")  # noqa: T201
    for part, count in found.most_common():
        print(f"{whole * count / found.total():6.1f} µs {part}")  # noqa: T201


def _part(frame: FrameType | None) -> str:
    while frame is not None:
        name = frame.f_code.co_filename
        for part, files in PARTS.items():
            if any(file in name for file in files):
                return part
        frame = frame.f_back
    return _OTHERS


def _environ(token: str, number: int) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "PUT",
        "SCRIPT_NAME": "",
        "PATH_INFO": f"/api/v2/dags/bench/dagRuns/run/taskInstances/task-{number}/state-store/progress",
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/json",
        "HTTP_AUTHORIZATION": f"Bearer {token}",
        "HTTP_HOST": "localhost",
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
    }


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
