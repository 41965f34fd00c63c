"""An application of a YARN cluster, submitted by the REST API of its ResourceManager.

The ResourceManager gives the application's id before anything is submitted. The id is stored first, and
an id that was submitted already is accepted and changes nothing: so no crash, and no attempt however
late, can make a second application for as long as the ResourceManager knows the first one.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Unpack

from statestore.jobs import rest
from statestore.jobs.forgotten import require_seen_end
from statestore.jobs.polling import JobStatus, Options, PollingJob
from statestore.jobs.resource_manager import ACTIVE, FORGOTTEN, SUCCEEDED, ResourceManager
from statestore.sdk.deciding import Context


@dataclass(frozen=True, slots=True)
class LocalResource:
    """A file that every container gets; YARN refuses one that has changed meanwhile."""

    url: str
    """Where all nodes can read it: `hdfs://…`, or `file://…` on a file system that all have."""
    size: int
    """In bytes."""
    timestamp: int
    """Of its last change, in milliseconds since 1970."""
    kind: str = "FILE"
    """YARN's type: `ARCHIVE` is unpacked."""
    visibility: str = "APPLICATION"

    @classmethod
    def of_file(
        cls, path: str | os.PathLike[str], *, kind: str = "FILE", visibility: str = "APPLICATION"
    ) -> "LocalResource":
        """A file at the same path on all nodes, as it is now."""
        found, full = os.stat(path), os.path.realpath(path)
        stamp = found.st_mtime_ns // 1_000_000
        return cls(f"file://{full}", found.st_size, stamp, kind, visibility)


class YarnJob(PollingJob):
    """Runs an application whose ApplicationMaster is a command.

    YarnJob(
        "{{JAVA_HOME}}/bin/java -Xmx512m ReportMaster 1><LOG_DIR>/stdout 2><LOG_DIR>/stderr",
        name="report",
        local_resources={"report.jar": LocalResource("hdfs:///apps/report.jar", 43004, 1763632800000)},
        environment={"CLASSPATH": "{{CLASSPATH}}<CPS>./*"},
    )

    Args:
        command: starts the ApplicationMaster, in a folder with the local resources. It has to register, and
            to say how it ends; a command that only exits counts as failed. YARN writes it as it is into
            `exec /bin/bash -c "…"`: it stands inside double quotes, so `"`, `$`, backslash and backtick
            need a backslash of their own, and `{{NAME}}` is a variable of the container.
        name: to show.
        resource_manager: the addresses of the ResourceManagers' web services, with commas; by default
            those of the `yarn-site.xml` that YARN_CONF_DIR or HADOOP_CONF_DIR names.
        queue: by default the cluster's default one.
        memory: of the ApplicationMaster's container, in MiB.
        vcores: of that container.
        local_resources: files, by their names in that folder.
        environment: variables of the command.
        max_app_attempts: how often YARN may start an ApplicationMaster that ended without saying how.
        application_type: to show.
        tags: to show, and to search for, beside the token.
        more: further fields of the submission context, by the REST API's names: `{"priority": 5}`.
        user: whom a cluster without Kerberos takes the requests to be from.
        headers: of every request; a function of a module, where they have to be renewed.
        timeout: seconds without an answer after which a ResourceManager counts as unreachable.
        options: those of every `PollingJob`. `on_unknown` also says what becomes of an application that
            the ResourceManager has forgotten before anybody saw its end.
    """

    active = ACTIVE
    succeeded = SUCCEEDED
    submit_seconds = 0.0  # an id is taken once

    def __init__(
        self,
        command: str,
        *,
        name: str,
        resource_manager: str | None = None,
        queue: str | None = None,
        memory: int = 1024,
        vcores: int = 1,
        local_resources: Mapping[str, LocalResource] | None = None,
        environment: Mapping[str, str] | None = None,
        max_app_attempts: int | None = None,
        application_type: str = "YARN",
        tags: tuple[str, ...] = (),
        more: Mapping[str, Any] | None = None,
        user: str | None = None,
        headers: rest.Headers = {},  # noqa: B006 - is only read
        timeout: float = 30.0,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(**options)
        self.resource_manager = ResourceManager(
            addresses=resource_manager, user=user, headers=headers, timeout=timeout
        )
        resources, variables = local_resources or {}, environment or {}
        self.tags = tags
        self.submission = {
            "application-name": name,
            "queue": queue,
            "application-type": application_type,
            "max-app-attempts": max_app_attempts,
            "resource": {"memory": memory, "vCores": vcores},
            "am-container-spec": {
                "commands": {"command": command},
                "local-resources": _entries({key: _form(each) for key, each in resources.items()}),
                "environment": _entries(variables),
            },
            **(more or {}),
        }

    def reserve_job(self, context: Context) -> str:
        """An id of the ResourceManager."""
        return self.resource_manager.new_application()

    def submit_job(self, context: Context) -> str:
        """Submit the application under its reserved id, with the token as a tag."""
        application_id = _reserved_id(context) or self.reserve_job(context)
        filled = {name: value for name, value in self.submission.items() if value is not None}
        tags = {"tag": [context["submission"].token, *self.tags]}
        document = {**filled, "application-id": application_id, "application-tags": tags}
        self.resource_manager.submit(document)
        return application_id

    def find_job(self, token: str, context: Context) -> str | None:
        """The reserved id, once the ResourceManager has an application of that id."""
        application_id = _reserved_id(context)
        if application_id is None or self.resource_manager.application(application_id) is None:
            return None
        return application_id

    def get_job_status(self, external_id: str, context: Context) -> JobStatus:
        """YARN's state, once it has ended its final status; or `FORGOTTEN`."""
        status = self.resource_manager.status(external_id)
        if status == FORGOTTEN:
            problem = f"The ResourceManager has forgotten {external_id}"
            require_seen_end(self, external_id, context, problem)
        return status

    def cancel_job(self, external_id: str, context: Context) -> None:
        """Have YARN kill it; one that has ended, or is unknown, is left as it is."""
        self.resource_manager.kill(external_id)


def _reserved_id(context: Context) -> str | None:
    submission = context.get("submission")
    return None if submission is None else submission.external_id


def _entries(values: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping as the REST API takes it."""
    return {"entry": [{"key": key, "value": value} for key, value in values.items()]}


def _form(resource: LocalResource) -> dict[str, Any]:
    return {
        "resource": resource.url,
        "type": resource.kind,
        "visibility": resource.visibility,
        "size": resource.size,
        "timestamp": resource.timestamp,
    }
