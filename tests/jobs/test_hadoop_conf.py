"""Where ResourceManagers are, and what is made of their answers while none is active."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from statestore.jobs.hadoop_conf import resource_managers
from statestore.jobs.polling import NotSentError
from statestore.jobs.resource_manager import ResourceManager
from statestore.sdk import JobSystemUnreachableError, StatestoreError
from tests.ports import free_port


def site(folder: Path, **properties: str) -> None:
    """Write a `yarn-site.xml`."""
    lines = [
        f"<property><name>yarn.{name}</name><value>{value}</value></property>"
        for name, value in properties.items()
    ]
    (folder / "yarn-site.xml").write_text(f"<configuration>{''.join(lines)}</configuration>")


def test_the_host_is_enough(tmp_path: Path) -> None:
    host = {"resourcemanager.hostname": "rm"}
    site(tmp_path, **host)
    assert resource_managers(tmp_path) == "http://rm:8088"
    site(tmp_path, **host, **{"http.policy": "HTTPS_ONLY"})
    assert resource_managers(tmp_path) == "https://rm:8090"


def test_of_several_each_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    properties = {
        "resourcemanager.ha.rm-ids": "rm1, rm2",
        "resourcemanager.hostname.rm1": "a",
        "resourcemanager.webapp.address.rm1": "${yarn.resourcemanager.hostname.rm1}:8188",
        "resourcemanager.hostname.rm2": "${env.SECOND}",
    }
    site(tmp_path, **properties)
    monkeypatch.setenv("SECOND", "b")
    monkeypatch.delenv("YARN_CONF_DIR", raising=False)
    monkeypatch.setenv("HADOOP_CONF_DIR", str(tmp_path))
    assert resource_managers() == "http://a:8188,http://b:8088"


def test_what_is_not_said_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("YARN_CONF_DIR", raising=False)
    monkeypatch.delenv("HADOOP_CONF_DIR", raising=False)
    with pytest.raises(StatestoreError, match="Set HADOOP_CONF_DIR"):
        resource_managers()
    with pytest.raises(StatestoreError, match="cannot be read"):
        resource_managers(tmp_path)
    site(tmp_path)
    with pytest.raises(StatestoreError, match=r"has neither yarn\.resourcemanager\.hostname nor"):
        resource_managers(tmp_path)


@pytest.fixture
def leaderless() -> Iterator[str]:
    """A standby that knows no active one."""

    class Standby(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Refresh", "2; url=/ws/v1/cluster/apps")
            self.end_headers()
            self.wfile.write(b"There is no active RM right now. Will retry in next 2 seconds.")

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Standby) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_without_an_active_one_they_are_away(leaderless: str) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    manager = ResourceManager(addresses=f"{leaderless},{nobody}")
    with pytest.raises(JobSystemUnreachableError, match=f"{leaderless} knows no active one"):
        manager.application("application_1_1")
    with pytest.raises(NotSentError, match="No ResourceManager is active"):
        ResourceManager(addresses=nobody).submit({})
