"""The ASGI application, for people: the same pages, and what changes of them is pushed to who looks on.

Everything else is answered by the WSGI application, in threads. Programs are served better by that itself.
"""

import asyncio
import io
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from statestore.wsgi import application as wsgi_application

# isort: split
# Django is set up by now.
from dashboard.answers import PUSHES
from dashboard.push import Environ, Message, Pushes, Receive, Send, left, wants_push
from dashboard.watch import watcher

THREADS: Final = 4
PATIENCE: Final = 30.0  # seconds in which a body must be here, and each part of the answer be taken
PART: Final = 64 * 1024  # bytes that are sent at once

_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="page")
_one_thread = ThreadPoolExecutor(1, thread_name_prefix="look-up")
watcher.seldom = 0.85  # seconds: whoever writes has processes of their own


async def application(scope: Any, receive: Receive, send: Send) -> None:
    """Push what changes to those who ask for that; have the WSGI application answer everything else."""
    if scope["type"] != "http":
        raise NotImplementedError(f"{scope['type']} is not served")
    environ = _environ(scope)
    if wants_push(environ):
        await _pushes.answer(environ, receive, send)
        return
    client = _Client(receive, send)
    environ["wsgi.input"] = io.BufferedReader(client, PART)
    try:
        await _loop().run_in_executor(_threads, _answer, environ, client.hear)
    except _GoneError:
        pass
    finally:
        client.forget()


async def _whole_way(environ: Environ) -> int:
    """The status of an answer that nobody reads."""
    environ["wsgi.input"] = io.BytesIO()
    return await _loop().run_in_executor(_one_thread, _answer, environ, lambda message: None)


_pushes = Pushes(_whole_way)
_loop = asyncio.get_running_loop


class _GoneError(OSError):
    """The client has gone, or takes and sends nothing any more. Django knows what an OSError means."""


class _Client(io.RawIOBase):
    """The client of a request, for the thread that answers it: a body to read, and somebody to tell."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send, self._running = receive, send, _loop()
        self._left, self._more, self._lost = b"", True, False
        self._gone: asyncio.Future[None] | None = None
        self._until = time.monotonic() + PATIENCE  # the whole body is here

    def readable(self) -> bool:
        """Its body is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """The next part of the body; none: it is over, or cut short."""
        while not self._left and self._more:
            message = self._wait(self._received(), self._until - time.monotonic())
            self._left, self._more = message.get("body", b""), bool(message.get("more_body"))
        part, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)

    def hear(self, message: Message) -> None:
        """Send this.

        Raises:
            _GoneError: there is nobody who takes it.
        """
        self._wait(self._sent(message), PATIENCE)

    async def _received(self) -> Message:
        return await self._receive()

    async def _sent(self, message: Message) -> None:
        if self._gone is not None and self._gone.done():
            raise _GoneError
        await self._send(message)
        if message.get("more_body") and self._gone is None:
            self._gone = asyncio.ensure_future(left(self._receive))

    def forget(self) -> None:
        """In the loop: it is answered, as far as it can be."""
        if self._gone is not None:
            self._gone.cancel()

    def _wait(self, answer: Any, seconds: float) -> Any:
        if self._lost:
            answer.close()
            raise _GoneError
        waiting = asyncio.run_coroutine_threadsafe(asyncio.wait_for(answer, seconds), self._running)
        try:
            return waiting.result()
        except TimeoutError:
            self._lost = True
            raise _GoneError from None


def _answer(environ: Environ, tell: Callable[[Message], None]) -> int:
    """Call the WSGI application, and tell what it answers; the status."""
    status, headers = 500, []

    def start(line: str, fields: Iterable[tuple[str, str]], *_: Any) -> None:
        nonlocal status, headers
        status = int(line[:3])
        headers = [(name.lower().encode(), text.encode("latin-1")) for name, text in fields]

    answer = wsgi_application(environ, start)
    try:
        tell({"type": "http.response.start", "status": status, "headers": headers})
        ready = bytearray()
        for part in answer:
            if len(ready) >= PART:
                tell({"type": "http.response.body", "body": bytes(ready), "more_body": True})
                ready.clear()
            ready += part
        # The last is told to be: so the server knows the length of what is short.
        tell({"type": "http.response.body", "body": bytes(ready)})
    finally:
        if hasattr(answer, "close"):
            answer.close()
    return status


def _environ(scope: Any) -> Environ:
    """The request in WSGI's words (PEP 3333); its path as it was sent, which may be no UTF-8."""
    prefix = scope.get("root_path", "").encode().decode("latin-1")
    path = unquote_to_bytes(scope.get("raw_path") or scope["path"]).decode("latin-1")
    if path == prefix or path.startswith(f"{prefix}/"):
        path = path[len(prefix) :]
    server, client = scope.get("server") or ("localhost", 80), scope.get("client") or ("", 0)
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": prefix,
        "PATH_INFO": path or "/",
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
