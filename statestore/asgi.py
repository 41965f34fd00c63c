"""The ASGI application, for people: the same pages, and what changes of them is pushed to who looks on.

Everything else is answered by the WSGI application, in threads. Programs are served better by that itself.
"""

import asyncio
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from statestore.wsgi import application as wsgi_application

# isort: split
# Django is set up by now.
from dashboard.answers import PUSHES
from dashboard.push import Environ, Message, Pushes, Receive, Send, wants_push
from dashboard.watch import watcher

Tell = Callable[[Message], None]

THREADS: Final = 4
BODY_MAX: Final = 32 * 1024 * 1024  # bytes; the API reads less, and says how much

_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="page")
watcher.leaves_out = False  # whoever writes has processes of their own


async def application(scope: Any, receive: Receive, send: Send) -> None:
    """Push what changes to those who ask for that; have the WSGI application answer everything else."""
    if scope["type"] != "http":
        raise NotImplementedError(f"{scope['type']} is not served")
    environ = _environ(scope)
    if wants_push(environ):
        await _pushes.answer(environ, receive, send)
        return
    body = await _body(receive)
    if body is None:
        return
    if len(body) > BODY_MAX:
        await _refuse(send)
        return
    loop = asyncio.get_running_loop()

    def tell(message: Message) -> None:
        asyncio.run_coroutine_threadsafe(_sent(send, message), loop).result()

    await _in_thread(environ | {"wsgi.input": BytesIO(body)}, tell)


async def _whole_way(environ: Environ) -> int:
    """The status of an answer that nobody reads."""
    return await _in_thread(environ | {"wsgi.input": BytesIO()}, lambda message: None)


_pushes = Pushes(_whole_way)


async def _in_thread(environ: Environ, tell: Tell) -> int:
    return await asyncio.get_running_loop().run_in_executor(_threads, _answer, environ, tell)


def _answer(environ: Environ, tell: Tell) -> int:
    """Call the WSGI application, and tell what it answers; the status."""
    status, headers = 500, []

    def start(line: str, fields: Iterable[tuple[str, str]], *_: Any) -> None:
        nonlocal status, headers
        status = int(line[:3])
        headers = [(name.lower().encode(), text.encode("latin-1")) for name, text in fields]

    answer = wsgi_application(environ, start)
    try:
        tell({"type": "http.response.start", "status": status, "headers": headers})
        last = b""  # is told to be, so that the server knows the length of what is short
        for part in answer:
            if last:
                tell({"type": "http.response.body", "body": last, "more_body": True})
            last = part
        tell({"type": "http.response.body", "body": last})
    finally:
        if hasattr(answer, "close"):
            answer.close()
    return status


async def _sent(send: Send, message: Message) -> None:
    await send(message)


def _environ(scope: Any) -> Environ:
    """The request in WSGI's words (PEP 3333); its path as it was sent, which may be no UTF-8."""
    prefix = scope.get("root_path", "").encode().decode("latin-1")
    path = unquote_to_bytes(scope["raw_path"]).decode("latin-1")
    server, client = scope.get("server") or ("localhost", 80), scope.get("client") or ("", 0)
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": prefix,
        "PATH_INFO": path.removeprefix(prefix),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": client[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.errors": sys.stderr,
        "wsgi.input_terminated": True,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        PUSHES: True,
    }
    for name, text in scope["headers"]:
        if b"_" in name:
            continue  # it could pass for one with hyphens, which a proxy vouches for
        key = name.decode("latin-1").upper().replace("-", "_")
        if key not in {"CONTENT_TYPE", "CONTENT_LENGTH"}:
            key = f"HTTP_{key}"
        between = "; " if key == "HTTP_COOKIE" else ","
        value = text.decode("latin-1")
        environ[key] = f"{environ[key]}{between}{value}" if key in environ else value
    return environ


async def _body(receive: Receive) -> bytes | None:
    """What was sent along, or one byte more than may be; None: the client has gone."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body") or len(body) > BODY_MAX:
            return bytes(body[: BODY_MAX + 1])


async def _refuse(send: Send) -> None:
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    words = f"The body has more than {BODY_MAX} bytes."
    body = f'{{"detail": "{words}", "code": "too_large"}}'.encode()
    await send({"type": "http.response.body", "body": body})
