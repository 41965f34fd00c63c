"""`python -m statestore.launcher`: prepares var/, starts everything, stays until it is told to end.

In this order: the folder and its lock, the port, the secret key, the database and static files, the
login and the token; then supervisord with web and worker; then, once the web server answers,
run.json, the lines for people, and the demo.
"""

import argparse
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import django
from django.core import checks
from django.core.management import call_command
from django.db import DatabaseError, connections
from kombu.exceptions import OperationalError

from statestore.launcher import orphans, processes
from statestore.launcher.home import CannotStartError, Home, RunFile
from statestore.launcher.port import reserved_port

START_SECONDS = 60


def main() -> int:
    """Run until a signal; 0 when everything was stopped as asked."""
    parser = argparse.ArgumentParser(prog="make run", description="Start Statestore here.")
    parser.add_argument("--no-demo", action="store_true", help="start the server alone")
    options = parser.parse_args()
    os.umask(0o077)  # database, broker and logs are for nobody else
    orphans.adopt()
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stopping.set())
    folder = Path(os.environ.get("STATESTORE_VAR_DIR") or processes.ROOT / "var").absolute()
    try:
        home = Home(folder)
        with home.locked():
            home.run_file.unlink(missing_ok=True)  # of a run that was killed
            with reserved_port(os.environ.get("PORT", "")) as port:
                return run(home, port, stopping, demo=not options.no_demo)
    except CannotStartError as error:
        print(f"statestore: {error}", file=sys.stderr)  # noqa: T201
        return 1


def run(home: Home, port: int, stopping: threading.Event, *, demo: bool) -> int:
    """Prepare, start, announce, wait, stop."""
    login = prepare(home, f"http://127.0.0.1:{port}")
    supervisor = processes.start_supervisor(processes.write_configuration(home, port))
    demonstration = None

    def end_orphans() -> None:
        orphans.end({child.pid for child in (supervisor, demonstration) if child is not None})

    try:
        wait_until_it_answers(login.url, supervisor, home, stopping)
        if not stopping.is_set():
            home.announce(login)
            tell(login, home)
            if demo:
                demonstration = processes.start_demo(login, home)
        while not stopping.wait(0.5):
            end_orphans()
            if supervisor.poll() is not None:
                raise CannotStartError(f"supervisord has ended; see {home.logs}/supervisord.log")
    finally:
        home.run_file.unlink(missing_ok=True)
        processes.stop(demonstration, 15)
        processes.let_settle(supervisor, home)
        processes.stop(supervisor, 60)
        end_orphans()
    print("statestore: stopped", flush=True)  # noqa: T201
    return 0


def prepare(home: Home, url: str) -> RunFile:
    """Bring database, static files, login and token to where the server needs them.

    Raises:
        CannotStartError: a setting is wrong, or the database cannot be used.
    """
    home.secret_or_new("secret-key", 50)
    os.environ["STATESTORE_VAR_DIR"] = str(home.folder)
    os.environ["DJANGO_SETTINGS_MODULE"] = "statestore.settings"
    django.setup()
    logging.getLogger("statestore").setLevel(logging.WARNING)  # tell() says what matters
    wrong = [check for check in checks.run_checks() if check.level >= checks.ERROR]
    if wrong:
        raise CannotStartError("\nstatestore: ".join(str(check.msg) for check in wrong))
    from statestore.launcher import accounts  # noqa: PLC0415 - needs Django set up

    try:
        call_command("migrate", verbosity=0, interactive=False)
        call_command("collectstatic", verbosity=0, interactive=False)
        password, token = accounts.admin_password(home), accounts.api_token(home)
    except DatabaseError as error:
        line = " ".join(str(error).split())
        raise CannotStartError(f"the database cannot be used: {line}") from None
    finally:
        connections.close_all()
    warn_without_broker()
    return RunFile(url, accounts.USERNAME, password or "", token)


def warn_without_broker() -> None:
    """Say that nothing is swept while the broker is away; state is kept and served without it."""
    from statestore.celery import app  # noqa: PLC0415 - needs Django set up

    url = str(app.conf.broker_url)
    patience = {"socket_connect_timeout": 5, "socket_timeout": 5}  # Redis knows none by itself
    options = {"transport_options": patience} if url.startswith(("redis:", "rediss:")) else {}
    try:
        with app.connection_for_write(**options) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0)
    except (OperationalError, OSError) as error:
        line = " ".join(str(error).split())
        print(  # noqa: T201
            f"statestore: the broker of CELERY_BROKER_URL cannot be reached, and nothing is swept"
            f" until it can: {line}",
            file=sys.stderr,
        )


def wait_until_it_answers(
    url: str, supervisor: subprocess.Popen[bytes], home: Home, stopping: threading.Event
) -> None:
    """Return when the web server answers, or the person has changed their mind.

    Raises:
        CannotStartError: it does not.
    """
    end = time.monotonic() + START_SECONDS
    while not stopping.is_set() and not _answers(f"{url}/api/v2/healthz"):
        if supervisor.poll() is not None or time.monotonic() > end:
            raise CannotStartError(f"the web server did not start; see {home.logs}/web.log")
        stopping.wait(0.1)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own address
            return bool(answer.status == 200)
    except OSError:
        return False


def tell(login: RunFile, home: Home) -> None:
    """What a person needs to begin."""
    password = login.password or "the one you set"
    lines = (
        f"Statestore is running at {login.url}",
        f"  login   {login.username} / {password}",
        f"  token   {login.token}",
        f"  files   {home.folder} (run.json has the same; logs are in log/)",
        "  stop    Ctrl-C",
    )
    print(*lines, sep="\n", flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
