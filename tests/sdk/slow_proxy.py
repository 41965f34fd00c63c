"""A proxy between the SDK and the server that loses, or holds back, what a test chooses."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit


class Proxy:
    """Carries bytes both ways, one request a connection."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "", parts.port or 0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.lost = 0
        self.lose_answers_to = b""
        """An answer to a request whose first line has this is read, and thrown away."""
        self.open = threading.Event()
        """While it is not set, nothing is carried."""
        self.open.set()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._carry, args=(client,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _carry(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            request = client.recv(65536)
            self.open.wait(60)
            with socket.create_connection(self._target, timeout=60) as server:
                head, _, rest = request.partition(b"\r\n")
                # One request a connection: the server closes it, and so its answer is whole.
                server.sendall(head + b"\r\nConnection: close\r\n" + rest)
                length = _length_of(request)
                while len(request.partition(b"\r\n\r\n")[2]) < length:
                    more = client.recv(65536)
                    request += more
                    server.sendall(more)
                answer = b""
                while part := server.recv(65536):
                    answer += part
            if self.lose_answers_to and self.lose_answers_to in head:
                self.lost += 1
                return
            client.sendall(answer)

    def close(self) -> None:
        self.open.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)


def _length_of(request: bytes) -> int:
    for line in request.partition(b"\r\n\r\n")[0].split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


@contextlib.contextmanager
def proxy_to(target: str) -> Iterator[Proxy]:
    """A proxy in front of a server."""
    proxy = Proxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
