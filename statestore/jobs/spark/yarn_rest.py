"""Spark on a YARN cluster without `spark-submit`: its ApplicationMaster is submitted by REST.

So the application's id is stored before it is submitted, and no second application can be for as long as
the ResourceManager knows the first one. Nothing is uploaded: Spark has to be installed on all nodes, and
the application is where they can read it.
"""

import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Final, Unpack
from urllib.parse import urlsplit

from statestore.jobs import rest
from statestore.jobs.polling import Options
from statestore.jobs.spark.application import Application
from statestore.jobs.yarn import LocalResource, YarnJob

_MASTER: Final = "org.apache.spark.deploy.yarn.ApplicationMaster"
_PYTHON_MAIN: Final = "org.apache.spark.deploy.PythonRunner"
_UPLOADED: Final = (
    "jars",
    "packages",
    "exclude_packages",
    "repositories",
    "py_files",
    "files",
    "archives",
)
_APPLICATION_JAR: Final = "__app__.jar"  # where Spark's ApplicationMaster looks for it
_OPENED: Final = (
    *(f"java.base/java.{name}" for name in ("lang", "lang.invoke", "lang.reflect", "io", "net")),
    *(f"java.base/java.{name}" for name in ("nio", "util", "util.concurrent")),
    *("java.base/java.util.concurrent.atomic", "java.base/jdk.internal.ref"),
    *(f"java.base/sun.{name}" for name in ("nio.ch", "nio.cs", "security.action", "util.calendar")),
    "java.security.jgss/sun.security.krb5",
)
"""The packages that Spark opens for itself on newer Java."""
_MARKERS: Final = re.compile(r"(?<={)(?={)|(?<=})(?=})|(?<=<)(?=LOG_DIR>|CPS>)")
"""Within what YARN would replace; in the options for Java it may (`-Xlog:gc:<LOG_DIR>/gc.log`)."""
_NOTHING: Final = "''"  # to the shell, within single quotes
_MIB: Final = {"k": 1 / 1024, "m": 1, "g": 1024, "t": 1024**2}
_LEAST_OVERHEAD: Final = 384  # MiB beside the heap, or a tenth of it, as spark-submit has it


class SparkYarnJob(YarnJob):
    """Runs an application whose driver is in Spark's own ApplicationMaster.

    SparkYarnJob(
        Application(application="local:/apps/report.jar", main_class="Report", driver_memory="4g"),
        spark_home="/usr/lib/spark",
    )

    Args:
        application: what to run, in the words of `spark-submit`. `local:` is a path that every node has,
            `file:` one on a file system that they share with this host. For any other URL give a
            `LocalResource` named `__app__.jar`, for Python one with the file's name.
        spark_home: where Spark is installed on every node.
        resource_manager: as in `YarnJob`; `queue`, `max_app_attempts`, `tags`, `user`, `headers` and
            `timeout` too.
        local_resources: further files of the driver, by name.
        options: those of every `PollingJob`.
    """

    def __init__(
        self,
        application: Application,
        *,
        spark_home: str,
        resource_manager: str | None = None,
        queue: str | None = None,
        local_resources: Mapping[str, LocalResource] | None = None,
        max_app_attempts: int | None = None,
        tags: tuple[str, ...] = (),
        user: str | None = None,
        headers: rest.Headers = {},  # noqa: B006 - is only read
        timeout: float = 30.0,
        **options: Unpack[Options],
    ) -> None:
        if needed := [name for name in _UPLOADED if getattr(application, name)]:
            raise ValueError(
                f"{', '.join(needed)}: spark-submit uploads these, and SparkYarnJob does not. Take"
                " SparkSubmitJob with master='yarn', or give them as local_resources."
            )
        self.application, self.spark_home = application, spark_home.rstrip("/")
        properties = self._properties()
        heap = _mebibytes(properties.get("spark.driver.memory", "1g"))
        super().__init__(
            self._command(properties, heap),
            name=properties["spark.app.name"],
            resource_manager=resource_manager,
            queue=queue,
            memory=heap + max(_LEAST_OVERHEAD, heap // 10),
            vcores=int(properties.get("spark.driver.cores", "1")),
            local_resources={**self._own_resources(), **(local_resources or {})},
            environment=self._environment(user),
            max_app_attempts=max_app_attempts,
            application_type="SPARK",
            tags=tags,
            user=user,
            headers=headers,
            timeout=timeout,
            **options,
        )

    def _properties(self) -> dict[str, str]:
        for_executors = {}
        if not self.application.is_python:
            url = self.application.application
            on_all = urlsplit(url).scheme == "local"
            for_executors["spark.executor.extraClassPath" if on_all else "spark.jars"] = (
                self._path() if on_all else url
            )
        return {
            "spark.yarn.jars": f"local:{self.spark_home}/jars/*",
            "spark.executorEnv.SPARK_HOME": self.spark_home,
            **for_executors,
            **self.application.properties(),
            "spark.master": "yarn",
            "spark.submit.deployMode": "cluster",
        }

    def _command(self, properties: Mapping[str, str], heap: int) -> str:
        java = ["-server", f"-Xmx{heap}m", "-XX:+IgnoreUnrecognizedVMOptions"]
        java += [f"--add-opens={package}=ALL-UNNAMED" for package in _OPENED]
        java += shlex.split(properties.get("spark.driver.extraJavaOptions", ""))
        spark = [f"-D{name}={value}" for name, value in properties.items()]
        spark += ["-Djava.io.tmpdir=./tmp", _MASTER]
        spark += ["--class", self.application.main_class or _PYTHON_MAIN]
        if self.application.is_python:
            spark += ["--primary-py-file", self._file_name()]
        else:
            spark += ["--jar", self.application.application]
        for argument in self.application.application_args:
            spark += ["--arg", argument]
        words = f"{_quoted(java)} {_MARKERS.sub(_NOTHING, _quoted(spark))}"
        return f"{{{{JAVA_HOME}}}}/bin/java {words} 1><LOG_DIR>/stdout 2><LOG_DIR>/stderr"

    def _environment(self, user: str | None) -> dict[str, str]:
        places = ["{{PWD}}", f"{self.spark_home}/jars/*", "{{HADOOP_CONF_DIR}}"]
        if self.application.driver_class_path:
            places.insert(1, self.application.driver_class_path)
        if urlsplit(self.application.application).scheme == "local":
            places.insert(1, self._path())
        own = {
            "CLASSPATH": "<CPS>".join(places),
            "SPARK_HOME": self.spark_home,
            "SPARK_YARN_STAGING_DIR": "file:{{PWD}}/staging",  # which it deletes; there is none
        }
        return {**own, **({"SPARK_USER": user} if user else {}), **self.application.env_vars}

    def _own_resources(self) -> dict[str, LocalResource]:
        """The application itself, where this host can read it."""
        scheme = urlsplit(self.application.application).scheme
        if scheme not in {"", "file"}:
            return {}
        name = self._file_name() if self.application.is_python else _APPLICATION_JAR
        return {name: LocalResource.of_file(self._path())}

    def _path(self) -> str:
        return urlsplit(self.application.application).path

    def _file_name(self) -> str:
        on_all = urlsplit(self.application.application).scheme == "local"
        return self._path() if on_all else self._path().rpartition("/")[2]


def _quoted(words: Iterable[str]) -> str:
    """Words for the shell that YARN starts, and for the one that reads `bash -c "…"` before it."""
    return re.sub(r'([\\$"`])', r"\\\1", shlex.join(words))


def _mebibytes(text: str) -> int:
    """A size as Spark writes it: `512m`, `4g`; a plain number is MiB."""
    found = re.fullmatch(r"(\d+)\s*([kmgt]?)b?", text.strip().lower())
    if not found:
        raise ValueError(f"{text!r} is no size: write 512m, or 4g")
    return max(1, int(int(found[1]) * _MIB[found[2] or "m"]))
