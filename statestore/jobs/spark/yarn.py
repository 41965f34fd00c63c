"""A YARN cluster: applications are submitted with `spark-submit`, which uploads what they need.

The ResourceManager gives the id while it submits, so after a crash the application is searched for: the
token is one of its tags.
"""

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from statestore.jobs import rest
from statestore.jobs.polling import JobStatus
from statestore.jobs.resource_manager import ACTIVE, FORGOTTEN, SUCCEEDED, ResourceManager
from statestore.jobs.spark.application import TOKEN_PROPERTY, Application
from statestore.jobs.spark.spark_submit import SparkSubmitError, command_line, submit
from statestore.sdk.errors import JobSystemUnreachableError

_TAGS: Final = "spark.yarn.tags"
_WAIT: Final = "spark.yarn.submit.waitAppCompletion"
_SUBMITTED: Final = re.compile(r"Submitted application (application_\d+_\d+)")


@dataclass(frozen=True, kw_only=True)
class Yarn:
    """A YARN cluster, and how `spark-submit` is run for it.

    `queue`, `principal`, `keytab`, `proxy_user` and `properties_file` are its options of these names.
    """

    active = ACTIVE
    succeeded = SUCCEEDED
    forgotten = frozenset({FORGOTTEN})

    resource_manager: str | None = None
    """The addresses of the ResourceManagers' web services, with commas; by default those of the
    `yarn-site.xml` that `spark-submit` is given."""
    queue: str | None = None
    principal: str | None = None
    keytab: str | None = None
    proxy_user: str | None = None
    properties_file: str | None = None
    spark_submit: str | os.PathLike[str] = "spark-submit"
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables for `spark-submit`, beside those of the worker: `HADOOP_CONF_DIR`, `SPARK_CONF_DIR` …"""
    submit_timeout: float = 120.0
    """Seconds that `spark-submit` may take, uploads included; then it is killed."""
    user: str | None = None
    """Whom a cluster without Kerberos takes the requests to be from."""
    headers: rest.Headers = field(default_factory=dict)
    """Of every request to a ResourceManager."""
    timeout: float = 30.0
    """Seconds without an answer after which a ResourceManager counts as unreachable."""

    @property
    def submit_seconds(self) -> float:
        """As long as `spark-submit` may take, with a search before it."""
        return self.submit_timeout + self.timeout

    def submit(self, application: Application, token: str) -> str | None:
        """Run `spark-submit`; the application's id, None where only a search tells it."""
        if known := self._resource_manager.tagged(token):
            return known[0]
        mine = self._spark_submit(application, token)
        with suppress(JobSystemUnreachableError):
            known = self._resource_manager.tagged(token)
        if mine and known and known[0] != mine:
            # Another attempt, thought dead, has submitted meanwhile: the first one counts.
            self.cancel(mine)
        return known[0] if known else mine

    def find(self, application: Application, token: str, since: str) -> str | None:
        """The application with the token among its tags; the first one, where there are several."""
        known = self._resource_manager.tagged(token)
        return known[0] if known else None

    def status(self, driver: str) -> JobStatus:
        """YARN's state, once it has ended its final status; or `FORGOTTEN`."""
        return self._resource_manager.status(driver)

    def cancel(self, driver: str) -> None:
        """Have YARN kill it; one that has ended, or is unknown, is left as it is."""
        self._resource_manager.kill(driver)

    def _spark_submit(self, application: Application, token: str) -> str | None:
        """The id that it tells, also where it was of another opinion about how that ended."""
        variables = application.env_vars.items()
        tags = [token, *filter(None, application.conf.get(_TAGS, "").split(","))]
        line = command_line(
            application,
            master="yarn",
            command=os.fspath(self.spark_submit),
            options={
                "queue": self.queue,
                "principal": self.principal,
                "keytab": self.keytab,
                "proxy_user": self.proxy_user,
            },
        )
        properties = {
            **application.conf,
            **{f"spark.yarn.appMasterEnv.{name}": value for name, value in variables},
            _TAGS: ",".join(tags),
            _WAIT: "false",
            TOKEN_PROPERTY: token,
        }
        try:
            output = submit(
                line,
                properties=properties,
                properties_file=self.properties_file,
                timeout=self.submit_timeout,
                environment=self.environment,
            )
        except SparkSubmitError as problem:
            if not _SUBMITTED.search(problem.output):
                raise
            output = problem.output
        found = _SUBMITTED.search(output)
        return found[1] if found else None

    @property
    def _resource_manager(self) -> ResourceManager:
        folders = [self.environment.get(name) for name in ("YARN_CONF_DIR", "HADOOP_CONF_DIR")]
        return ResourceManager(
            addresses=self.resource_manager,
            conf_dir=next(filter(None, folders), None),
            user=self.user,
            headers=self.headers,
            timeout=self.timeout,
        )
