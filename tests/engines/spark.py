"""Spark standalone, with a master and a worker on this host, from the pyspark package."""

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.engines.daemons import Daemon
from tests.engines.wheels import packages_of, python_of
from tests.ports import free_port

WAIT = """\
import java.nio.file.*;
public class Wait {
    public static void main(String[] folder) throws Exception {
        Path end = Path.of(folder[0], "end");
        while (!Files.exists(end)) Thread.sleep(50);
        System.exit(Integer.parseInt(Files.readString(end).trim()));
    }
}
"""
"""A driver that ends as the file `end` of its folder says."""

SMALL = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


def make_jar(jar: Path) -> None:
    """Compile the driver."""
    folder = jar.parent
    source = folder / "Wait.java"
    source.write_text(WAIT)
    subprocess.run(["javac", "-d", folder, source], check=True, timeout=60)
    command = ["jar", "--create", "--file", str(jar), "-C", str(folder), "Wait.class"]
    subprocess.run(command, check=True, timeout=60)


class Spark:
    """A cluster below `folder`. Its master keeps the running drivers over a restart, no others."""

    def __init__(self, folder: Path) -> None:
        self.python = python_of("spark")
        self.home = packages_of("spark") / "pyspark"
        self.folder, self.jar = folder, folder / "wait.jar"
        self.port, self.rest_port, self.web_port = free_port(), free_port(), free_port()
        environment = {
            "SPARK_HOME": str(self.home),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_DAEMON_MEMORY": "256m",
            "SPARK_DAEMON_JAVA_OPTS": SMALL,
            "SPARK_MASTER_OPTS": (
                f"-Dspark.master.rest.enabled=true -Dspark.master.rest.host=127.0.0.1"
                f" -Dspark.master.rest.port={self.rest_port}"
                f" -Dspark.deploy.recoveryMode=FILESYSTEM"
                f" -Dspark.deploy.recoveryDirectory={folder}/recovery"
            ),
        }
        start = [str(self.home / "bin/spark-class"), "org.apache.spark.deploy.master.Master"]
        start += ["--host", "127.0.0.1", "--port", str(self.port)]
        start += ["--webui-port", str(self.web_port)]
        self._master = Daemon(start, folder / "master.log", environment)
        start = [str(self.home / "bin/spark-class"), "org.apache.spark.deploy.worker.Worker"]
        start += ["--host", "127.0.0.1", "--webui-port", "0", "--work-dir", f"{folder}/work"]
        start += ["--cores", "64", "--memory", "64g", f"spark://127.0.0.1:{self.port}"]
        self._worker = Daemon(start, folder / "worker.log", environment)

    def start(self) -> None:
        """Start it on free ports."""
        make_jar(self.jar)
        self._master.start(lambda: self.shown().get("status") == "ALIVE")
        self._worker.start(lambda: self.shown().get("aliveworkers"))

    def stop(self) -> None:
        """Stop it, with its drivers."""
        self._worker.stop()
        self._master.kill()

    def restart(self) -> None:
        """Kill its master, and start it again; the drivers go on."""
        with self.away():
            pass

    @contextmanager
    def away(self) -> Iterator[None]:
        """Its master is dead meanwhile."""
        self._master.kill()
        try:
            yield
        finally:
            self._master.start(self._knows_its_worker)

    def shown(self) -> dict[str, Any]:
        """What the master shows of its cluster; nothing where it does not answer."""
        try:
            url = f"http://127.0.0.1:{self.web_port}/json/"
            with urllib.request.urlopen(url, timeout=5) as answer:
                return dict(json.load(answer))
        except (OSError, ValueError):  # at first it serves another page there
            return {}

    def drivers(self) -> dict[str, str]:
        """The state of each driver that the master knows."""
        shown = self.shown()
        drivers = [*shown.get("activedrivers", []), *shown.get("completeddrivers", [])]
        return {driver["id"]: driver["state"] for driver in drivers}

    def _knows_its_worker(self) -> bool:
        shown = self.shown()
        return shown.get("status") == "ALIVE" and shown.get("aliveworkers") == 1
