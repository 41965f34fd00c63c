"""A standalone cluster: drivers are submitted to, and asked for at, its masters' REST servers.

The server gives the id, so after a crash the driver has to be searched for: a master lists its drivers
without their arguments, but the worker that runs one shows the beginning of its log, and there stands
the command with our property.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from statestore.jobs.asking import ask, read_json
from statestore.jobs.polling import JobStatus, NotSentError
from statestore.jobs.spark.application import TOKEN_PROPERTY, Application
from statestore.sdk.errors import JobSystemUnreachableError, StatestoreError

UNKNOWN: Final = "UNKNOWN"
"""No master knows the driver. That is not its end: a master that lost its state forgets what runs."""

CLOCK_SKEW: Final = 300.0  # seconds by which the clocks of masters and workers may differ
_NOT_ALIVE: Final = "Current state is not alive"  # a standby, or a master that is still recovering
_PYTHON_MAIN: Final = "org.apache.spark.deploy.SparkSubmit"


@dataclass(frozen=True, kw_only=True)
class Standalone:
    """The cluster of `master`, which is `spark://HOST:PORT,HOST:PORT…` as Spark itself is given it."""

    active = frozenset({"SUBMITTED", "RUNNING", "RELAUNCHING", UNKNOWN})
    succeeded = frozenset({"FINISHED"})
    forgotten: frozenset[str] = frozenset()  # `UNKNOWN` may still run
    submit_seconds = 30.0

    master: str
    rest_port: int = 6066
    web_port: int = 8080
    timeout: float = 30.0

    def submit(self, application: Application, token: str) -> str:
        """Have the first master that is alive run the driver; its id."""
        answer = self._ask("POST", "create", json=self._request(application, token))
        if not answer.get("success"):
            raise StatestoreError(f"Spark refused the driver: {answer.get('message')}")
        return str(answer["submissionId"])

    def find(self, application: Application, token: str, since: str) -> str | None:
        """The driver with the token, among those submitted `since` then (ISO 8601; empty: ever)."""
        earliest = datetime.fromisoformat(since).timestamp() - CLOCK_SKEW if since else 0.0
        main_class = _PYTHON_MAIN if application.is_python else application.main_class
        cluster = self._cluster()
        workers = {worker["id"]: worker["webuiaddress"] for worker in cluster["workers"]}
        unsure = []
        for driver in [*cluster["activedrivers"], *cluster["completeddrivers"]]:
            begun = float(driver["starttime"]) / 1000
            if driver.get("mainclass", main_class) != main_class or begun < earliest:
                continue
            command = self._command(workers.get(driver["worker"]), driver["id"])
            if command is None:
                unsure.append(driver["id"])
            elif f'"-D{TOKEN_PROPERTY}={token}"' in command:
                return str(driver["id"])
        if unsure:
            raise JobSystemUnreachableError(
                f"No worker shows yet what {', '.join(unsure)} is: one may be the job {token}."
            )
        return None

    def status(self, driver: str) -> JobStatus:
        """The driver's state, or `UNKNOWN`."""
        answer = self._ask("GET", f"status/{quote(driver, safe='')}")
        message = answer.get("message")
        return JobStatus(answer.get("driverState") or UNKNOWN, message=message)

    def cancel(self, driver: str) -> None:
        """Kill the driver; one that has ended, or is unknown, is left as it is."""
        self._ask("POST", f"kill/{quote(driver, safe='')}")

    def _request(self, application: Application, token: str) -> dict[str, Any]:
        properties = {**application.properties(token), "spark.master": self.master}
        main_class, resource = application.main_class, application.application
        arguments = list(application.application_args)
        if application.is_python:
            # A driver is a main class: for Python it is spark-submit's own, which runs beside its worker.
            properties["spark.submit.deployMode"] = "client"
            name = properties["spark.app.name"]
            # Without the master it would run on its host alone.
            given = ["--master", self.master, "--name", name]
            for option in ("py_files", "files", "archives", "jars", "packages"):
                if value := getattr(application, option):
                    given += [f"--{option.replace('_', '-')}", value]
            for key, value in properties.items():
                given += ["--conf", f"{key}={value}"]
            main_class, arguments = _PYTHON_MAIN, [*given, "{{USER_JAR}}", *arguments]
        else:
            properties["spark.submit.deployMode"] = "cluster"
            jars = [resource, properties.get("spark.jars", "")]
            properties["spark.jars"] = ",".join(filter(None, jars))
        return {
            "action": "CreateSubmissionRequest",
            "clientSparkVersion": "statestore",
            "appResource": resource,
            "mainClass": main_class,
            "appArgs": arguments,
            "environmentVariables": dict(application.env_vars),
            "sparkProperties": properties,
        }

    def _ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """The answer of the master that is alive."""
        away: list[str] = []
        for host in self._hosts():
            url = f"http://{host}:{self.rest_port}/v1/submissions/{path}"
            try:
                answer = ask(method, url, timeout=self.timeout, **options)
            except NotSentError as problem:
                away.append(str(problem))
                continue
            found: dict[str, Any] = read_json(answer)
            if found.get("success") is not True and _NOT_ALIVE in str(found.get("message")):
                away.append(f"{host}: {str(found['message']).strip()[:200]}")
                continue
            if found.get("action") == "ErrorResponse":
                raise StatestoreError(f"{url}: {found.get('message')}")
            return found
        raise JobSystemUnreachableError(f"No master of {self.master} is alive: {'; '.join(away)}")

    def _cluster(self) -> dict[str, Any]:
        """What the master that is alive shows of its cluster."""
        away: list[str] = []
        for host in self._hosts():
            try:
                url = f"http://{host}:{self.web_port}/json/"
                found: dict[str, Any] = read_json(ask("GET", url, timeout=self.timeout))
            except StatestoreError as problem:
                away.append(str(problem))
                continue
            if found.get("status") == "ALIVE":
                return found
            away.append(f"{host} is {found.get('status')}")
        raise JobSystemUnreachableError(
            f"No master of {self.master} is alive: {'; '.join(away)}. (Is the port of their web pages"
            f" {self.web_port}?)"
        )

    def _command(self, worker: str | None, driver: str) -> str | None:
        """The command line of a driver, from its log; None: it has none yet, or its worker is gone."""
        if worker is None:
            return None
        place = f"driverId={quote(driver)}&logType=stderr&offset=0&byteLength=100000"
        text = ask("GET", f"{worker}/log/?{place}", timeout=self.timeout).text
        found = re.search(r"^Launch Command: (.*)$", text, re.MULTILINE)
        return found[1] if found else None

    def _hosts(self) -> Iterator[str]:
        for place in self.master.removeprefix("spark://").split(","):
            yield place.rpartition(":")[0] or place
