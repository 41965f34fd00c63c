"""A real web server for tests: granian in processes of its own, on a database of its own."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg

from tests.ports import free_port

ROOT = Path(__file__).resolve().parent.parent
ALL_RIGHTS = "view,write,clear,administer"
_PREPARE = f"""
import django
from django.core.management import call_command

django.setup()
call_command("migrate", verbosity=0)
call_command("create_api_token", "tests", rights="{ALL_RIGHTS}", skip_checks=False)
"""  # in one process: to start Django takes longer than to do it
CONNECTIONS = 5000  # that a web process takes, as README starts it
_SERVED = {
    "wsgi": ["statestore.wsgi:application"],
    "asginl": ["--workers-kill-timeout", "2", "statestore.asgi:application"],
}


class Server:
    """A Statestore server: migrated, with a token that has every right; or with that of another one over
    the same database, which is as it has to be then.

    `environment` is what its processes see; a worker or a command that shall work on the same
    database gets the same.
    """

    def __init__(
        self,
        environment: dict[str, str],
        log: Path,
        *,
        workers: int = 1,
        threads: int = 4,
        interface: str = "wsgi",
        token: str = "",
    ) -> None:
        self.environment, self.log = environment, log
        self._workers, self._threads, self._interface = workers, threads, interface
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self.token = token or self._prepared()

    def manage(self, *words: str) -> str:
        """Run a management command on the server's database; what it printed."""
        command = [sys.executable, str(ROOT / "manage.py"), *words]
        return subprocess.run(
            command, env=self.environment, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    def _prepared(self) -> str:
        command = [sys.executable, "-c", _PREPARE]
        return subprocess.run(
            command, env=self.environment, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
        ).stdout.strip()

    def start(self) -> None:
        """Start it on its port, and wait until it answers."""
        if self._process is not None:
            return
        granian = [sys.executable, "-m", "granian", "--interface", self._interface]
        granian += [
            "--workers",
            str(self._workers),
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--backpressure",
            str(CONNECTIONS),
            "--respawn-failed-workers",
        ]
        if self._interface == "wsgi":
            granian += ["--blocking-threads", str(self._threads)]
        granian += _SERVED[self._interface]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                granian,
                env=self.environment,
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a group of its own, to be killed as a whole
            )
        self._wait()

    @property
    def pid(self) -> int:
        """The process that its web processes are children of."""
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop it, and start it on the same port."""
        self.stop()
        self.start()

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for sent in (number, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                if sent is signal.SIGKILL:
                    os.killpg(process.pid, sent)
                else:
                    process.send_signal(sent)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)

    def _wait(self) -> None:
        end = time.monotonic() + 30
        while not answers(f"{self.url}/api/v2/healthz"):
            assert self._process is not None
            if self._process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise RuntimeError(f"the server did not start:\n{self.log.read_text()}")
            time.sleep(0.05)


def answers(url: str) -> bool:
    """Whether a web server answers there, with whatever status."""
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return True
    except OSError:
        return False


@contextlib.contextmanager
def database_for(name: str, directory: Path) -> Iterator[str]:
    """The URL of a new, empty database on the server that this run uses; dropped afterwards."""
    url = os.environ.get("DATABASE_URL", "")
    if not url.startswith(("postgres", "pgsql")):
        yield f"sqlite:///{directory}/server.sqlite3"
        return
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
        try:
            yield f"{url.rpartition('/')[0]}/{name}"
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def environment_for(directory: Path, database_url: str) -> dict[str, str]:
    """What the processes of a server see: production's settings, and folders of their own."""
    own = {
        "DJANGO_SETTINGS_MODULE": "statestore.settings",
        "DATABASE_URL": database_url,
        "STATESTORE_VAR_DIR": str(directory),
        "STATESTORE_LOG_LEVEL": "INFO",
    }
    return {**os.environ, **own}
