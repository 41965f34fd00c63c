"""A proxy between the SDK and the server that loses, holds back or breaks what a test chooses."""

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit


class Proxy:
    """Passes HTTP messages on, both ways."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "", parts.port or 0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.open = threading.Event()
        """While it is not set, nothing is passed on."""
        self.open.set()
        self.lose_answers_to = b""
        """An answer to a request whose first line has this is thrown away, and counted in `lost`."""
        self.lost = 0
        self.holding = threading.Event()
        """Requests that come while it is set are passed on only once `release` is set."""
        self.breaking = threading.Event()
        """The same for the next request, whose client finds its connection broken at once."""
        self.release = threading.Event()
        self.delivered: list[bytes] = []
        """The answers to requests that were held back; nobody waits for them any more."""
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with (
            client,
            contextlib.suppress(OSError),
            socket.create_connection(self._target, timeout=60) as server,
        ):
            while request := _message(client):
                self.open.wait(60)
                breaks = self.breaking.is_set()
                late = self.holding.is_set() or breaks
                if breaks:
                    self.breaking.clear()
                    client.shutdown(socket.SHUT_RDWR)
                if late:
                    self.release.wait(30)
                server.sendall(request)
                answer = _message(server)
                if late:
                    self.delivered.append(answer)
                    return
                if self.lose_answers_to and self.lose_answers_to in request.partition(b"\r\n")[0]:
                    self.lost += 1
                    return
                client.sendall(answer)

    def close(self) -> None:
        self.open.set()
        self.release.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def _message(connection: socket.socket) -> bytes:
    """One whole HTTP message; nothing where the connection has ended."""
    message = b""
    while True:
        head, end, body = message.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        chunked = b"chunked" in head.lower()
        if end and (
            body.endswith(b"0\r\n\r\n") if chunked else len(body) >= int(length[1] if length else 0)
        ):
            return message
        try:
            part = connection.recv(65536)
        except ConnectionError:
            return b""
        if not part:
            return b""
        message += part


@contextlib.contextmanager
def proxy_to(target: str) -> Iterator[Proxy]:
    """A proxy in front of a server."""
    proxy = Proxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
