"""The folder of one running Statestore (`var/`): its secrets, its port, and who runs there."""

import contextlib
import fcntl
import json
import os
import secrets
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path


class CannotStartError(Exception):
    """Why nothing can be started here, as one line for the person who tried."""


@dataclass(frozen=True, slots=True)
class RunFile:
    """What `run.json` tells programs about the running server."""

    url: str
    username: str
    password: str
    token: str


class Home:
    """The folder, which nobody else may read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run_file = folder / "run.json"
        self.logs = folder / "log"
        try:
            for path in (folder, self.logs):
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise CannotStartError(
                f"{path} cannot be made ({error.strerror}): set STATESTORE_VAR_DIR to another folder"
            ) from None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only one who runs here.

        Raises:
            CannotStartError: someone else does.
        """
        with (self.folder / "lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CannotStartError(self._who_runs()) from None
            yield

    def _who_runs(self) -> str:
        try:
            where = f"at {json.loads(self.run_file.read_text())['url']}"
        except (OSError, ValueError, KeyError):
            where = "(it is just starting or stopping)"
        return f"Statestore runs already {where}: use that one, or stop it first (Ctrl-C there)."

    def secret(self, name: str) -> str | None:
        """A secret that was kept, or none."""
        path = self.folder / name
        return path.read_text().strip() if path.is_file() else None

    def keep(self, name: str, text: str) -> str:
        """Keep a secret for the next start, readable by its owner alone; the secret."""
        write_private(self.folder / name, text + "\n")
        return text

    def secret_or_new(self, name: str, length: int) -> str:
        """A kept secret, made of `length` random bytes the first time."""
        return self.secret(name) or self.keep(name, secrets.token_urlsafe(length))

    def announce(self, run: RunFile) -> None:
        """Write run.json."""
        write_private(self.run_file, json.dumps(asdict(run), indent=1) + "\n")


def write_private(path: Path, text: str) -> None:
    """Write a file of mode 600 whole or not at all."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w") as file:
        file.write(text)
    new.replace(path)


FIRST_PORT = 8000
PORTS_TRIED = 100


def choose_port(wanted: str) -> int:
    """The port of PORT, else the first free one from 8000 on.

    Raises:
        CannotStartError: PORT names none, or one that is taken.
    """
    if not wanted:
        for port in range(FIRST_PORT, FIRST_PORT + PORTS_TRIED):
            if _is_free(port):
                return port
        raise CannotStartError(
            f"Every port from {FIRST_PORT} to {FIRST_PORT + PORTS_TRIED - 1} is taken: set PORT."
        )
    if not (wanted.isascii() and wanted.isdigit() and 1 <= int(wanted) <= 65535):
        raise CannotStartError(f"PORT={wanted!r} is no port: set it to a number from 1 to 65535.")
    if not _is_free(int(wanted)):
        raise CannotStartError(
            f"Port {wanted} is taken, or not yours to use: set PORT to another, or leave it out."
        )
    return int(wanted)


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        # Connections that linger after a server has ended do not keep its port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
