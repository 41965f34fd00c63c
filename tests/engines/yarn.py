"""YARN: a small ResourceManager of our own with one node, for real clients and real ApplicationMasters.

No package has a ResourceManager. The jars of the pyspark package have its protocols, which
`java/yarn/` serves; real `spark-submit` submits to it, and Spark's own ApplicationMaster runs there.
"""

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.engines.daemons import Daemon
from tests.engines.javac import compiled
from tests.engines.wheels import packages_of, python_of
from tests.ports import free_port

QUICK: Final = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto"

YARN_SITE: Final = """\
<configuration>
<property><name>yarn.resourcemanager.hostname</name><value>127.0.0.1</value></property>
<property><name>yarn.resourcemanager.address</name><value>127.0.0.1:{client_port}</value></property>
<property><name>yarn.resourcemanager.scheduler.address</name><value>127.0.0.1:{master_port}</value></property>
<property><name>yarn.resourcemanager.webapp.address</name><value>127.0.0.1:{rest_port}</value></property>
<property><name>yarn.resourcemanager.connect.retry-interval.ms</name><value>200</value></property>
</configuration>
"""
CORE_SITE: Final = """\
<configuration>
<property><name>fs.defaultFS</name><value>file:///</value></property>
</configuration>
"""
SPARK_SETTINGS: Final = {
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.scheduler.minRegisteredResourcesRatio": "0",  # there are no containers for executors
    "spark.scheduler.maxRegisteredResourcesWaitingTime": "0s",
}


class Yarn:
    """A ResourceManager below `folder`, which keeps its applications over a restart.

    `url` is its REST API, `standby` that of another one which only names it. `jar` holds the programs
    `WaitMaster`, which `hadoop` is the classpath of, and `WaitDriver` for Spark.
    """

    def __init__(self, folder: Path) -> None:
        self.python, self.home = python_of("spark"), packages_of("spark") / "pyspark"
        jars = self.home / "jars"
        self.folder, self.conf = folder, folder / "conf"
        self.spark_submit = self.home / "bin" / "spark-submit"
        needed = ("hadoop-client-api", "hadoop-client-runtime", "slf4j-api", "commons-logging")
        found = [str(jar) for name in needed for jar in jars.glob(f"{name}-*.jar")]
        self.hadoop = ":".join([str(self.conf), *found])
        self.jar = folder / "jobs.jar"
        programs = compiled("yarn_jobs", f"{jars}/*")
        subprocess.run(["jar", "cf", self.jar, "-C", programs, "."], check=True)
        ports = {name: free_port() for name in ("client_port", "master_port", "rest_port")}
        self.url = f"http://127.0.0.1:{ports['rest_port']}"
        standby = free_port()
        self.standby = f"http://127.0.0.1:{standby}"
        self.conf.mkdir()
        (self.conf / "yarn-site.xml").write_text(YARN_SITE.format(**ports))
        (self.conf / "core-site.xml").write_text(CORE_SITE)
        defaults = {
            **SPARK_SETTINGS,
            "spark.yarn.jars": f"local:{jars}/*",
            "spark.yarn.stagingDir": str(folder),
            "spark.yarn.maxAppAttempts": "1",
            "spark.driver.memory": "512m",
            "spark.driver.defaultJavaOptions": QUICK,
        }
        lines = "".join(f"{name} {value}\n" for name, value in defaults.items())
        (self.conf / "spark-defaults.conf").write_text(lines)
        self.environment = {
            "HADOOP_CONF_DIR": str(self.conf),
            "SPARK_CONF_DIR": str(self.conf),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_SUBMIT_OPTS": QUICK,
        }
        classes = f"{compiled('yarn', f'{jars}/*')}:{self.conf}:{jars}/*"
        start = ["java", "-Xmx128m", *QUICK.split(), "-cp", classes, "ResourceManager", str(folder)]
        ports_of = [str(port) for port in ports.values()]
        self._manager = Daemon([*start, *ports_of], folder / "manager.log", self.environment)
        ports_of[-1] = str(standby)
        self._standby = Daemon(
            [*start, *ports_of, self.url], folder / "standby.log", self.environment
        )

    def start(self) -> None:
        """Start it on free ports, and its standby."""
        self._manager.start(lambda: self._ha_state() == "ACTIVE")
        self._standby.start(lambda: True)

    def stop(self) -> None:
        """Stop both, with all applications."""
        self._standby.kill()
        self._manager.stop()

    def restart(self) -> None:
        """Kill it, and start it again; the ApplicationMasters go on. It answers at once, as a real one
        does, and knows its applications a moment later."""
        with self.away():
            pass

    @contextmanager
    def away(self) -> Iterator[None]:
        """It is dead meanwhile."""
        self._manager.kill()
        try:
            yield
        finally:
            self._manager.start(self._answers)

    def applications(self) -> dict[str, dict[str, Any]]:
        """All applications that it knows, by their ids; waits until it has recovered them."""
        while self._ha_state() == "INITIALIZING":
            time.sleep(0.05)
        apps = self._get("/ws/v1/cluster/apps")["apps"]
        return {app["id"]: app for app in apps["app"]} if apps else {}

    def log(self, application: str) -> str:
        """What the ApplicationMaster of an application wrote."""
        files = sorted((self.folder / "applications" / application).glob("attempt-*/*"))
        return "\n".join(
            f"== {file}\n{file.read_text()}"
            for file in files
            if file.name in {"launch.sh", "launch.log", "stdout", "stderr"}
        )

    def _get(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(self.url + path, timeout=5) as answer:
            return dict(json.load(answer))

    def _answers(self) -> bool:
        return self._ha_state() is not None

    def _ha_state(self) -> Any:
        try:
            return self._get("/ws/v1/cluster/info")["clusterInfo"]["haState"]
        except OSError:
            return None
