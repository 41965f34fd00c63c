"""A real receiver of webhooks: an HTTP server in a thread, that answers as a test says."""

import base64
import contextlib
import hashlib
import hmac
import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass
class Received:
    """One request, as it came."""

    path: str
    headers: Message
    body: bytes

    @property
    def id(self) -> str:
        """Its webhook-id."""
        return str(self.headers["webhook-id"])

    @property
    def json(self) -> dict[str, Any]:
        """Its body."""
        return dict(json.loads(self.body))

    def signed_by(self, secret: str) -> bool:
        """Whether one of its signatures is this secret's: as the specification says, not as we sign."""
        key = base64.b64decode(secret.split("_", 1)[1])
        content = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        expected = base64.b64encode(hmac.digest(key, content, hashlib.sha256))
        versions = [one.split(",") for one in self.headers["webhook-signature"].split(" ")]
        return any(v == "v1" and hmac.compare_digest(s.encode(), expected) for v, s in versions)


@dataclass
class Receiver:
    """What has come, and what is answered: each of `answers` once, then 204."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    hold: threading.Event = field(default_factory=threading.Event)
    """Answers wait for it."""
    came: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def wait(self, seconds: float = 20) -> Received:
        """The next request."""
        assert self.came.acquire(timeout=seconds), "nothing came"
        return self.received[-1]

    def types(self) -> list[str]:
        """The types of what came."""
        return [str(one.json["type"]) for one in self.received]


@contextlib.contextmanager
def receiving(port: int = 0, certificate: Path | None = None) -> Iterator[Receiver]:
    """A receiver on the loopback interface; over TLS where it has a certificate."""
    receiver = Receiver()
    receiver.hold.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.received.append(Received(self.path, self.headers, body))
            receiver.came.release()
            receiver.hold.wait(60)
            with contextlib.suppress(OSError):  # who asked may be gone
                self.send_response(receiver.answers.pop(0) if receiver.answers else 204)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 128  # who connects while others do waits, and is not turned away

    server = Server(("127.0.0.1", port), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        # Who does not trust it leaves during the handshake: in the thread of its own request.
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield receiver
    finally:
        receiver.hold.set()
        server.shutdown()
        server.server_close()
        thread.join()
