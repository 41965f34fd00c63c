"""The folder of one running Statestore (`var/`): its secrets, and who runs there."""

import contextlib
import fcntl
import json
import os
import secrets
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
