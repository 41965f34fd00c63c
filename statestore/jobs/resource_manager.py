"""YARN's ResourceManagers, asked by their REST API; one of them is active, the others stand by."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from statestore.jobs import rest
from statestore.jobs.asking import read_json
from statestore.jobs.hadoop_conf import resource_managers
from statestore.jobs.polling import JobStatus, NotSentError
from statestore.sdk.errors import JobSystemUnreachableError

ACTIVE: Final = frozenset({"NEW", "NEW_SAVING", "SUBMITTED", "ACCEPTED", "RUNNING"})
SUCCEEDED: Final = frozenset({"SUCCEEDED"})
FORGOTTEN: Final = "FORGOTTEN"
"""No ResourceManager knows the application (any more)."""

_UNKNOWN: Final = frozenset({404})
_MOVED: Final = frozenset({301, 302, 307, 308})
_LONGEST: Final = 1000  # characters of what a ResourceManager says about an application


@dataclass(frozen=True, kw_only=True)
class ResourceManager:
    """The ResourceManagers of one cluster."""

    addresses: str | None = None
    """Of their web services, with commas: `http://rm1:8088,http://rm2:8088`. By default what the cluster's
    `yarn-site.xml` says."""
    conf_dir: str | None = None
    """The folder of `yarn-site.xml`; by default YARN_CONF_DIR or HADOOP_CONF_DIR."""
    user: str | None = None
    """Whom a cluster without Kerberos takes the requests to be from."""
    headers: rest.Headers = field(default_factory=dict)
    timeout: float = 30.0
    """Seconds without an answer after which one of them counts as unreachable."""

    def new_application(self) -> str:
        """An id that no application has; it may be submitted once."""
        return str(read_json(self._ask("POST", "/apps/new-application"))["application-id"])

    def submit(self, context: Mapping[str, Any]) -> None:
        """Submit an application; an id that is known already is accepted, and changes nothing."""
        self._ask("POST", "/apps", at=self._active(), json=context)

    def application(self, application_id: str) -> Mapping[str, Any] | None:
        """What is known about an application; None: nothing."""
        answer = self._ask_for("GET", f"/apps/{application_id}")
        if answer.status_code in _UNKNOWN:
            return None
        app: Mapping[str, Any] = read_json(answer)["app"]
        return app

    def tagged(self, tag: str) -> list[str]:
        """The ids of all applications with a tag, in the order in which the ids were given."""
        return self._tagged(tag) or self._tagged(tag, at=self._active())

    def _tagged(self, tag: str, *, at: str | None = None) -> list[str]:
        answer = self._ask("GET", "/apps", at=at, params={"applicationTags": tag})
        apps = read_json(answer).get("apps")
        found = [app["id"] for app in (apps or {}).get("app", []) if tag in _tags(app)]
        return sorted(found, key=_order)

    def status(self, application_id: str) -> JobStatus:
        """Its state; once it has ended, how: `finalStatus` decides where its state is FINISHED."""
        app = self.application(application_id)
        if app is None:
            return JobStatus(FORGOTTEN)
        word = app["finalStatus"] if app["state"] == "FINISHED" else app["state"]
        progress = round(float(app.get("progress") or 0), 1)
        message = _shortened(str(app.get("diagnostics") or ""))
        return JobStatus(word, message=message, current=progress, total=100, unit="%")

    def kill(self, application_id: str) -> None:
        """Have an application end; one that has ended, or is unknown, is left as it is."""
        self._ask_for("PUT", f"/apps/{application_id}/state", json={"state": "KILLED"})

    def _active(self) -> str:
        """The address of the one that is active.

        Others know no applications. So does one that has just been started: its web services answer
        before it has recovered its applications, and do not say so.
        """
        others = []
        for address in self._addresses():
            try:
                info = read_json(self._ask("GET", "/info", at=address))["clusterInfo"]
            except JobSystemUnreachableError as problem:
                others.append(str(problem))
                continue
            if info.get("haState", "ACTIVE") == "ACTIVE":
                return address
            others.append(f"{address} is {info['haState']}")
        raise NotSentError(f"No ResourceManager is active: {'; '.join(others)}")

    def _ask_for(self, method: str, path: str, **options: Any) -> httpx.Response:
        """The answer about an application; that it is unknown is taken from the active one alone."""
        answer = self._ask(method, path, allowed=_UNKNOWN, **options)
        if answer.status_code in _UNKNOWN:
            answer = self._ask(method, path, at=self._active(), allowed=_UNKNOWN, **options)
        return answer

    def _addresses(self) -> list[str]:
        known = self.addresses or resource_managers(self.conf_dir)
        return [address.strip() for address in known.split(",")]

    def _ask(
        self, method: str, path: str, *, at: str | None = None, **options: Any
    ) -> httpx.Response:
        """The answer of the first one that gives one, or of the one at that address. A request that
        reaches two of them does no harm."""
        away, sent = [], False
        params = {**options.pop("params", {}), **({"user.name": self.user} if self.user else {})}
        for address in [at] if at else self._addresses():
            url = f"{_with_scheme(address)}/ws/v1/cluster{path}"
            try:
                answer = rest.call(
                    method,
                    url,
                    headers=self.headers,
                    timeout=self.timeout,
                    params=params or None,
                    redirects=0,
                    **options,
                )
            except NotSentError as problem:
                away.append(str(problem))
            except JobSystemUnreachableError as problem:
                away.append(str(problem))
                sent = True
            except rest.RestError as problem:
                if problem.status not in _MOVED:
                    raise
                away.append(f"a standby: {problem}")
            else:
                if "refresh" not in answer.headers:
                    return answer
                away.append(f"{address} knows no active one")
        problem_of_all = f"No ResourceManager is active: {'; '.join(away)}"
        raise (JobSystemUnreachableError if sent else NotSentError)(problem_of_all)


def _with_scheme(address: str) -> str:
    return (address if "://" in address else f"http://{address}").rstrip("/")


def _tags(app: Mapping[str, Any]) -> list[str]:
    return str(app.get("applicationTags") or "").split(",")


def _order(application_id: str) -> list[int]:
    return [int(part) for part in application_id.split("_")[1:]]


def _shortened(text: str) -> str | None:
    words = " ".join(text.split())
    if len(words) > _LONGEST:
        words = f"{words[: _LONGEST // 2]} … {words[-_LONGEST // 2 :]}"
    return words or None
