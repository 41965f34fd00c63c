"""Open pages, as many as there are cookies, in one process: each asks when the server says.

`python -m tests.benchmarks.browsers port cookies pages`, both files of lines, asks until it is interrupted.
Each second it writes a line: the second, how many answers were new pages, how many said that nothing has
changed, and how many to come again. The last line tells how many were none of these.

One thread with bare sockets, where each new page is unpacked once: what browsers do at home shall take
little of what the server computes with.
"""

import gzip
import heapq
import re
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Final

EVERY: Final = 0.6  # seconds after which a page asks that was not told when to

_LENGTH: Final = re.compile(rb"\r\ncontent-length: (\d+)")
_WAIT: Final = re.compile(rb"\r\nstatestore-ask-again: (\d+)")
_BUSY: Final = b"\r\nstatestore-busy: "
_CURSOR: Final = re.compile(rb'data-cursor="([^"]+)"')
_UNPACKED_MAX: Final = 1_000


class _Page:
    """An open page: its connection, and the cursor of what it shows."""

    def __init__(self, port: int, path: str, cookie: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.cursor = b""
        self._begin = f"GET {path}?cursor=".encode()
        self._end = (
            f" HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n"
            "Accept-Encoding: gzip\r\n\r\n"
        ).encode()
        self._read = b""

    def ask(self) -> None:
        self.socket.sendall(self._begin + self.cursor + self._end)

    def answer(self) -> tuple[bytes, bytes] | None:
        """Head and body, once all has come.

        Raises:
            ConnectionError: the server has ended the connection.
        """
        part = self.socket.recv(1 << 18)
        if not part:
            raise ConnectionError("the server has ended a connection")
        self._read += part
        end = self._read.find(b"\r\n\r\n")
        if end < 0:
            return None
        length = _LENGTH.search(self._read, 0, end + 2)
        if len(self._read) < end + 4 + int(length[1] if length else 0):
            return None
        head, body, self._read = self._read[:end], self._read[end + 4 :], b""
        return head, body


class _Pages:
    """All of them, and what they were answered."""

    def __init__(self, port: int, cookies: list[str], paths: list[str]) -> None:
        self._epoll = select.epoll()
        self._asking: dict[int, _Page] = {}
        self._later: list[tuple[float, int]] = []
        self._cursors: dict[bytes, bytes] = {}
        self.changed = self.unchanged = self.busy = self.bad = 0
        for number, cookie in enumerate(cookies):
            page = _Page(port, paths[number % len(paths)], cookie)
            self._asking[page.socket.fileno()] = page
            self._epoll.register(page.socket, select.EPOLLIN)
            self._later.append((0.0, page.socket.fileno()))

    def go_on(self, until: float) -> None:
        """Ask, and read answers, until a time of the monotonic clock."""
        while (now := time.monotonic()) < until:
            while self._later and self._later[0][0] <= now:
                self._asking[heapq.heappop(self._later)[1]].ask()
            wake = min(self._later[0][0], until) if self._later else until
            for number, _ in self._epoll.poll(max(0.0, wake - now)):
                self._read(number)

    def _read(self, number: int) -> None:
        page = self._asking[number]
        answer = page.answer()
        if answer is None:
            return
        head, body = answer
        status = head[9:12]
        if _BUSY in head:
            self.busy += 1
        elif status == b"200":
            self.changed += 1
            page.cursor = self._cursor(body)
        elif status == b"204":
            self.unchanged += 1
        else:
            self.bad += 1
        wait = _WAIT.search(head)
        seconds = int(wait[1]) / 1000 if wait else EVERY
        heapq.heappush(self._later, (time.monotonic() + seconds, number))

    def _cursor(self, body: bytes) -> bytes:
        known = self._cursors.get(body)
        if known is None:
            found = _CURSOR.search(gzip.decompress(body))
            if found is None:
                raise ValueError("a page without a cursor")
            if len(self._cursors) >= _UNPACKED_MAX:
                self._cursors.clear()
            known = self._cursors[body] = found[1]
        return known


def main(port: int, cookies: list[str], paths: list[str]) -> None:
    """Look on until interrupted."""
    pages = _Pages(port, cookies, paths)
    print("open", flush=True)  # noqa: T201
    try:
        while True:
            second = int(time.time())
            pages.go_on(time.monotonic() + 1 - time.time() % 1)
            print(second, pages.changed, pages.unchanged, pages.busy, flush=True)  # noqa: T201
            pages.changed = pages.unchanged = pages.busy = 0
    except KeyboardInterrupt:
        print("bad", pages.bad, flush=True)  # noqa: T201


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main(int(sys.argv[1]), *(Path(name).read_text().splitlines() for name in sys.argv[2:4]))
