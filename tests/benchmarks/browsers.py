"""Open pages, as many as there are cookies, in one process: each asks when the server says, or is pushed to.

`python -m tests.benchmarks.browsers polls|pushes port cookies pages`, both files of lines, looks on until it
is interrupted. Each second it writes a line: the second, how often something new came, that nothing has
changed, and that the server is busy; and how many pages know by now how things are. The last line tells how
many answers were none of these.

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
import zlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Final, Protocol

NAP: Final = 0.01  # seconds: to be woken for each page takes the cores from what is measured
EVERY: Final = 0.6  # seconds after which a page asks that was not told when to

_LENGTH: Final = re.compile(rb"\r\ncontent-length: (\d+)")
_WAIT: Final = re.compile(rb"\r\nstatestore-ask-again: (\d+)")
_BUSY: Final = b"\r\nstatestore-busy: "
_CURSOR: Final = re.compile(rb'data-cursor="([^"]+)"')
_EVENT: Final = re.compile(rb"^event: (\w+)$", re.MULTILINE)
_GZIP: Final = b"\x1f\x8b\x08"
_GZIP_HEADER: Final = 10  # bytes
_AT_ONCE: Final = 1 << 16  # bytes that are read


class _Looking(Protocol):
    """Many open pages, and what they were answered."""

    changed: int
    unchanged: int
    busy: int
    bad: int
    told: set[int]
    """Those who know how things are."""

    def go_on(self, until: float) -> None:
        """Look on until a time of the monotonic clock."""


def _open(port: int, path: str, cookie: str, accept: str) -> tuple[socket.socket, bytes, bytes]:
    """A connection, and what to send before and after the cursor."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    headers = f"Host: 127.0.0.1:{port}\r\nCookie: {cookie}\r\nAccept: {accept}\r\n"
    begin = f"GET {path}?cursor=".encode()
    return connection, begin, f" HTTP/1.1\r\n{headers}Accept-Encoding: gzip\r\n\r\n".encode()


def _received(connection: socket.socket) -> bytes:
    part = connection.recv(_AT_ONCE)
    if not part:
        raise ConnectionError("the server has ended a connection")
    return part


class _Page:
    """An open page that polls: its connection, and the cursor of what it shows."""

    def __init__(self, port: int, path: str, cookie: str) -> None:
        self.socket, self._begin, self._end = _open(port, path, cookie, "*/*")
        self.cursor = b""
        self._read = b""

    def ask(self) -> None:
        self.socket.sendall(self._begin + self.cursor + self._end)

    def answer(self) -> tuple[bytes, bytes] | None:
        """Head and body, once all has come."""
        self._read += _received(self.socket)
        end = self._read.find(b"\r\n\r\n")
        if end < 0:
            return None
        length = _LENGTH.search(self._read, 0, end + 2)
        if len(self._read) < end + 4 + int(length[1] if length else 0):
            return None
        head, body, self._read = self._read[:end], self._read[end + 4 :], b""
        return head, body


class _Polls:
    """Pages that poll."""

    def __init__(self, port: int, cookies: list[str], paths: list[str]) -> None:
        self._epoll = select.epoll()
        self._asking: dict[int, _Page] = {}
        self._later: list[tuple[float, int]] = []
        self.changed = self.unchanged = self.busy = self.bad = 0
        self.told: set[int] = set()
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
            page.cursor = _cursor(body)
            self.told.add(number)
        elif status == b"204":
            self.unchanged += 1
            self.told.add(number)
        else:
            self.bad += 1
        wait = _WAIT.search(head)
        seconds = int(wait[1]) / 1000 if wait else EVERY
        heapq.heappush(self._later, (time.monotonic() + seconds, number))


@lru_cache(maxsize=500)
def _cursor(body: bytes) -> bytes:
    found = _CURSOR.search(gzip.decompress(body))
    if found is None:
        raise ValueError("a page without a cursor")
    return found[1]


class _Stream:
    """An open page that is pushed to."""

    def __init__(self, port: int, path: str, cookie: str) -> None:
        self.socket, begin, end = _open(port, path, cookie, "text/event-stream")
        self.socket.sendall(begin + end)
        self._read, self._began = b"", False

    def events(self) -> list[bytes]:
        """The names of the events that have come."""
        self._read += _received(self.socket)
        if not self._began:
            head, end, rest = self._read.partition(b"\r\n\r\n")
            if not end:
                return []
            if not head.startswith(b"HTTP/1.1 200 "):
                raise ConnectionError(head.decode())
            self._read, self._began = rest, True
        names: list[bytes] = []
        while (chunk := self._chunk()) is not None:
            names += _names(chunk)
        return names

    def _chunk(self) -> bytes | None:
        begin = self._read.find(b"\r\n") + 2
        if begin < 2:
            return None
        end = begin + int(self._read[: begin - 2], 16)
        if len(self._read) < end + 2:
            return None
        chunk, self._read = self._read[begin:end], self._read[end + 2 :]
        return chunk


@lru_cache(maxsize=500)
def _names(part: bytes) -> list[bytes]:
    """The names of its events; it refers to nothing before it."""
    if part.startswith(_GZIP):
        part = part[_GZIP_HEADER:]
    return (
        _EVENT.findall(zlib.decompressobj(-zlib.MAX_WBITS).decompress(part)) if part else [b"over"]
    )


class _Streams:
    """Pages that are pushed to."""

    def __init__(self, port: int, cookies: list[str], paths: list[str]) -> None:
        self._epoll = select.epoll()
        self._open: dict[int, _Stream] = {}
        self.changed = self.unchanged = self.busy = self.bad = 0
        self.told: set[int] = set()
        for number, cookie in enumerate(cookies):
            stream = _Stream(port, paths[number % len(paths)], cookie)
            self._open[stream.socket.fileno()] = stream
            self._epoll.register(stream.socket, select.EPOLLIN)

    def go_on(self, until: float) -> None:
        """Read what comes, until a time of the monotonic clock."""
        while (now := time.monotonic()) < until:
            time.sleep(NAP)
            for number, _ in self._epoll.poll(until - now):
                for name in self._open[number].events():
                    self._count(number, name)

    def _count(self, number: int, name: bytes) -> None:
        if name == b"page":
            self.changed += 1
            self.told.add(number)
        elif name == b"same":
            self.unchanged += 1
        elif name == b"busy":
            self.busy += 1
        elif name != b"secrets":
            self.bad += 1


def main(looking: _Looking) -> None:
    """Look on until interrupted."""
    print("open", flush=True)  # noqa: T201
    try:
        while True:
            second = int(time.time())
            looking.go_on(time.monotonic() + 1 - time.time() % 1)
            counts = looking.changed, looking.unchanged, looking.busy
            print(second, *counts, len(looking.told), flush=True)  # noqa: T201
            looking.changed = looking.unchanged = looking.busy = 0
    except KeyboardInterrupt:
        print("bad", looking.bad, flush=True)  # noqa: T201


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _kind, _port, *_files = sys.argv[1:]
    _cookies, _paths = (Path(_name).read_text().splitlines() for _name in _files)
    _by: Callable[[int, list[str], list[str]], _Looking] = _Polls if _kind == "polls" else _Streams
    main(_by(int(_port), _cookies, _paths))
