from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brokers import broker
from tests.integrations.workers import Workers
from tests.server import Server


@pytest.fixture
def workers(request: pytest.FixtureRequest, server: Server, tmp_path: Path) -> Iterator[Workers]:
    with broker(getattr(request, "param", "filesystem")) as url:
        started = Workers(url, server, tmp_path)
        try:
            yield started
        finally:
            started.stop()
