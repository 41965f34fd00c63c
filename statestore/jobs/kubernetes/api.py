"""Requests to a Kubernetes API server.

How to log in there (kubeconfig, the service account of a pod, plugins, tokens that are renewed) is known by
the official client. Requests are sent as those of the other classes, so that their failures mean the same.
"""

import os
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import httpx
from kubernetes import config
from kubernetes.client import Configuration

from statestore.jobs import rest
from statestore.sdk.errors import JobSystemUnreachableError, StatestoreError

Json = dict[str, Any]

_KUBECONFIG: Final = "~/.kube/config"
_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_ANSWERS: Final = frozenset({400, 401, 403, 404, 409, 410, 415, 422, 500})
_REFUSED: Final = frozenset({401, 403})


@dataclass(frozen=True, kw_only=True)
class Api:
    """An API server, and who asks it.

    Without `kubeconfig` and `context` it is what `kubectl` would take: KUBECONFIG, `~/.kube/config`, and
    in a pod its service account.
    """

    kubeconfig: str | None = None
    context: str | None = None
    server: str | None = None
    """Its URL, where it is not the one that the kubeconfig tells."""
    timeout: float = 30.0

    @property
    def namespace(self) -> str:
        """The one that objects are in when nothing else is said."""
        return _log_in(self.kubeconfig, self.context).namespace

    def get(self, path: str, **params: str | int) -> Json | None:
        """An object, or a list of them; None where there is none."""
        answer = self._send("GET", path, params=params, allowed=frozenset({404}))
        return None if answer.status_code == 404 else answer.json()

    def items(self, path: str, selector: str) -> list[Json]:
        """The objects that have the labels."""
        return list((self.get(path, labelSelector=selector) or {}).get("items", []))

    def create(self, path: str, document: Mapping[str, Any]) -> Json | None:
        """The new object; None where its name is taken.

        Raises:
            JobSystemUnreachableError: another write came in between, to a quota for example: ask again.
        """
        answer = self._send("POST", path, json=document, allowed=frozenset({409}))
        told: Json = answer.json()
        if answer.status_code != 409:
            return told
        if told.get("reason") == "AlreadyExists":
            return None
        raise JobSystemUnreachableError(f"POST {path} was answered with 409: {told.get('message')}")

    def delete(self, path: str, uid: str, *, at_once: bool = False) -> None:
        """Delete the object that has that uid, after all that belongs to it; without it, do nothing.

        Args:
            path: the object's.
            uid: another one of its name has another.
            at_once: it is gone afterwards; for a pod of which nothing runs.
        """
        how: Json = {"propagationPolicy": "Foreground", "preconditions": {"uid": uid}}
        if at_once:
            how |= {"propagationPolicy": "Background", "gracePeriodSeconds": 0}
        self._send("DELETE", path, json=how, allowed=frozenset({404, 409}))

    def log(self, namespace: str, pod: str, container: str, lines: int) -> str | None:
        """The last lines of a container's log; None where nobody has it any more."""
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        params: dict[str, str | int] = {"container": container, "tailLines": lines}
        with suppress(StatestoreError):  # its node may be gone
            return self._send("GET", path, params=params).text.strip() or None
        return None

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return self._send_once(method, path, **options)
        except rest.RestError as error:
            if error.status not in _REFUSED:
                raise
            refused = error
        _log_in.cache_clear()  # the credentials may have been changed
        if refused.status == 403:
            try:
                self._send_once("GET", "/readyz")
            except StatestoreError:
                # A server that has just been started knows no roles yet, and refuses everything.
                raise JobSystemUnreachableError(f"{refused} (the server is not ready)") from None
        return self._send_once(method, path, **options)

    def _send_once(
        self, method: str, path: str, allowed: frozenset[int] = frozenset(), **options: Any
    ) -> httpx.Response:
        login = _log_in(self.kubeconfig, self.context)
        url = f"{(self.server or login.configuration.host).rstrip('/')}{path}"
        answer = rest.call(
            method,
            url,
            headers=login.headers,
            verify=login.tls,
            timeout=self.timeout,
            allowed=_ANSWERS,
            **options,
        )
        if answer.status_code < 400 or answer.status_code in allowed:
            return answer
        told = rest.body(answer)
        words = told.get("message") if isinstance(told, dict) else told
        said = f"{method} {url} was answered with {answer.status_code}: {words}"
        if answer.status_code == 500:  # its database is away, for example
            raise JobSystemUnreachableError(said)
        raise rest.RestError(said, answer.status_code)


@dataclass(frozen=True)
class _Login:
    configuration: Configuration
    namespace: str
    tls: ssl.SSLContext

    def headers(self) -> dict[str, str]:
        """Those of a request; a token that has run out is renewed."""
        settings = self.configuration.auth_settings().values()
        return {each["key"]: each["value"] for each in settings if each["in"] == "header"}


@cache
def _log_in(kubeconfig: str | None, context: str | None) -> _Login:
    configuration = Configuration()
    file = kubeconfig or os.environ.get("KUBECONFIG") or _KUBECONFIG
    named = bool(kubeconfig or context or os.environ.get("KUBECONFIG"))
    try:
        if not named and not Path(file).expanduser().exists():
            config.load_incluster_config(client_configuration=configuration)
            namespace = _NAMESPACE.read_text().strip()
        else:
            config.load_kube_config(file, context, configuration, persist_config=False)
            contexts, current = config.list_kube_config_contexts(file)
            mine = next((each for each in contexts if each["name"] == context), current)
            namespace = mine["context"].get("namespace") or "default"
    except config.ConfigException as problem:
        raise StatestoreError(
            f"Kubernetes cannot be logged in to: {problem} Name a kubeconfig (kubeconfig=, KUBECONFIG), or"
            " run in a pod that has a service account."
        ) from None
    return _Login(configuration, namespace, _tls(configuration))


def _tls(configuration: Configuration) -> ssl.SSLContext:
    if configuration.ssl_ca_cert:
        tls = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    else:
        tls = httpx.create_ssl_context()
    if not configuration.verify_ssl:  # `insecure-skip-tls-verify` of the kubeconfig
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    if configuration.cert_file:
        tls.load_cert_chain(configuration.cert_file, configuration.key_file)
    return tls
