"""The port of the web server, which no two launchers of one machine take at once."""

import contextlib
import socket
import sys
from collections.abc import Iterator

from statestore.launcher.home import CannotStartError

FIRST_PORT = 8000
PORTS_TRIED = 100


@contextlib.contextmanager
def reserved_port(wanted: str) -> Iterator[int]:
    """The port of PORT, else the first free one from 8000 on; nobody else reserves it meanwhile.

    Raises:
        CannotStartError: PORT names none, or one that is taken.
    """
    with contextlib.ExitStack() as held:
        yield next(port for port in _ports(wanted) if _reserve(port, held))


def _ports(wanted: str) -> Iterator[int]:
    """The ports to try; after the last one, why none is left."""
    if not wanted:
        yield from range(FIRST_PORT, FIRST_PORT + PORTS_TRIED)
        last = FIRST_PORT + PORTS_TRIED - 1
        raise CannotStartError(f"Every port from {FIRST_PORT} to {last} is taken: set PORT.")
    if not (wanted.isascii() and wanted.isdigit() and 1 <= int(wanted) <= 65535):
        raise CannotStartError(f"PORT={wanted!r} is no port: set it to a number from 1 to 65535.")
    yield int(wanted)
    raise CannotStartError(
        f"Port {wanted} is taken, or not yours to use: set PORT to another, or leave it out."
    )


def _reserve(port: int, held: contextlib.ExitStack) -> bool:
    """Whether nobody listens there, and no other launcher is about to.

    The web server shares its port with whoever wants to (SO_REUSEPORT). Two that start at once would
    both get it, and each would answer some requests of the other. So each launcher holds a name too:
    an abstract socket, which Linux frees when its process ends, however it ends.
    """
    with contextlib.ExitStack() as mine:
        try:
            if sys.platform == "linux":
                name = mine.enter_context(socket.socket(socket.AF_UNIX))
                name.bind(f"\0statestore-port-{port}")
            with socket.socket() as listener:
                # Connections that linger after a server has ended do not keep its port.
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(("127.0.0.1", port))
        except OSError:
            return False
        held.push(mine.pop_all())
    return True
