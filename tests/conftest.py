"""Fixtures for every test, and which tests run on which database."""

import signal
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from django.db import connection

from statestore.protocol import TaskScope
from tests import missing
from tests.proxy import Proxy, proxy_to
from tests.server import Server, database_for, environment_for

DATABASE_FIXTURES = {
    "db",
    "transactional_db",
    "live_server",
    "server",
    "server_environment",
    "people_server",
    "fuzzed",
}

# In the background of a script they are ignored, and would be by every process that a test starts.
for _number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, lambda *_: None)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the run on the second database, and of those with real Airflows and engines."""
    parser.addoption(
        "--database-only",
        action="store_true",
        help="only tests that use the database, without the slow ones and the browser",
    )
    parser.addoption("--airflow", action="store_true", help="only tests that run a real Airflow")
    parser.addoption("--engines", action="store_true", help="only tests that run an engine")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is about the other database, or says the same whatever the database."""
    kept = [
        item
        for item in items
        if (connection.vendor == "postgresql" or not item.get_closest_marker("postgresql"))
        and (not config.getoption("--database-only") or _is_about_database(item))
        and config.getoption("--airflow") == bool(item.get_closest_marker("airflow"))
        and config.getoption("--engines") == bool(item.get_closest_marker("engine"))
    ]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    # The longest begin first: at the end all others would wait for them.
    items[:] = sorted(kept, key=lambda item: "test_launcher" not in item.nodeid)


def _is_about_database(item: pytest.Item) -> bool:
    if item.get_closest_marker("browser"):
        return False
    if item.get_closest_marker("slow") and not item.get_closest_marker("every_database"):
        return False
    fixtures = set(getattr(item, "fixturenames", ()))
    return bool(item.get_closest_marker("django_db") or fixtures & DATABASE_FIXTURES)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter,
) -> Generator[None, object, object]:
    """After all else: one loud line for each part that the machine lacks."""
    result = yield
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = [report.longrepr[2] for report in skipped if isinstance(report.longrepr, tuple)]
    for line in missing.summary(reasons):
        terminalreporter.write_line(line, red=True, bold=True)
    return result


@pytest.fixture(autouse=True)
def _no_watcher_in_background(request: pytest.FixtureRequest) -> Iterator[None]:
    """No thread of the dashboard reads another test's database, but where a browser looks on."""
    from dashboard.watch import watcher

    watcher.in_background = "live_server" in request.fixturenames
    watcher.forget()
    yield
    watcher.stop()


@pytest.fixture
def scope() -> TaskScope:
    """A task instance that no other test knows."""
    return TaskScope("sales", f"run-{uuid.uuid4().hex[:12]}", "ingest")


@pytest.fixture(scope="session")
def server_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of processes that share a new database and folder; see `server`."""
    directory = tmp_path_factory.mktemp("server")
    with database_for(f"test_statestore_{uuid.uuid4().hex[:12]}", directory) as url:
        yield environment_for(directory, url)


@pytest.fixture(scope="session")
def running_server(server_environment: dict[str, str]) -> Iterator[Server]:
    """The session's one server; use `server`."""
    server = Server(
        server_environment, Path(server_environment["STATESTORE_VAR_DIR"]) / "server.log"
    )
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def server(running_server: Server) -> Server:
    """A real web server in its own processes, with `.url`, `.token`, stop(), kill() and restart().

    All tests share it, so use ids of your own (`scope`); it runs again when a test stopped it.
    """
    running_server.start()
    return running_server


@pytest.fixture(scope="session")
def running_people_server(
    server_environment: dict[str, str], running_server: Server
) -> Iterator[Server]:
    """The session's one server for people; use `people_server`."""
    log = Path(server_environment["STATESTORE_VAR_DIR"]) / "people.log"
    server = Server(server_environment, log, interface="asginl", token=running_server.token)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def people_server(server: Server, running_people_server: Server) -> Server:
    """A second server over the same database, which pushes pages: the ASGI application."""
    running_people_server.start()
    return running_people_server


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    """Another way to the server, which a test can disturb."""
    with proxy_to(server.url) as opened:
        yield opened
