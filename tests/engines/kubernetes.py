"""Kubernetes: etcd, API server, controllers and scheduler as they are; its node is a `process_kubelet`."""

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.engines.daemons import Daemon
from tests.engines.kubernetes_build import programs
from tests.engines.wheels import packages_of
from tests.ports import free_port

AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {
            "level": "RequestResponse",
            "verbs": ["create"],
            "resources": [
                {"group": "", "resources": ["pods"]},
                {"group": "batch", "resources": ["jobs"]},
            ],
        },
        {"level": "None"},
    ],
}
"""What the API server writes down: what was created."""


class Kubernetes:
    """A cluster below `folder`. `user` is the path of a kubeconfig of somebody whom roles limit. The official
    client is in the folder `packages`, with what it needs that is not here. `shell` is an image."""

    def __init__(self, folder: Path) -> None:
        self.folder, built = folder, programs()
        self.packages = folder / "packages"
        self.packages.mkdir()
        for package in packages_of("kubernetes").iterdir():
            if not (Path(httpx.__file__).parent.parent / package.name).exists():
                (self.packages / package.name).symlink_to(package)
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self._tokens = {name: secrets.token_hex(16) for name in ("admin", "user")}
        self.admin, self.user = (self._kubeconfig(name) for name in self._tokens)
        self._http: httpx.Client | None = None
        self._etcd, self._server, self._controllers, self._scheduler, self._kubelet = (
            Daemon(command, folder / f"{name}.log")
            for name, command in self._commands(built, f"http://127.0.0.1:{free_port()}").items()
        )

    def _commands(self, built: Path, etcd: str) -> dict[str, list[str | Path]]:
        peer = f"http://127.0.0.1:{free_port()}"
        others: list[str | Path] = ["--kubeconfig", self.admin, "--leader-elect=false"]
        others += ["--port=0", "--secure-port=0"]
        controllers = built / "kube-controller-manager"
        kubelet = Path(__file__).with_name("process_kubelet.py")
        return {
            "etcd": [
                built / "etcd",
                f"--data-dir={self.folder}/etcd",
                "--log-level=error",
                f"--listen-client-urls={etcd}",
                f"--advertise-client-urls={etcd}",
                f"--listen-peer-urls={peer}",
                f"--initial-advertise-peer-urls={peer}",
                f"--initial-cluster=default={peer}",
            ],
            "kube-apiserver": self._api_server(built, etcd),
            "kube-controller-manager": [
                controllers,
                *others,
                "--controllers=job,garbagecollector,namespace",
            ],
            "kube-scheduler": [built / "kube-scheduler", *others],
            "kubelet": [sys.executable, "-I", kubelet, self.folder / "kubelet.json"],
        }

    def start(self) -> None:
        """Start it on free ports."""
        subprocess.run(
            ["openssl", "genrsa", "-out", self.folder / "accounts.key", "2048"],
            check=True,
            capture_output=True,
        )
        (self.folder / "audit.json").write_text(json.dumps(AUDIT))
        (self.folder / "tokens").write_text(
            f'{self._tokens["admin"]},admin,1,"system:masters"\n{self._tokens["user"]},user,2\n'
        )
        self.add_image("shell", 'exec sh "$@"')
        (self.folder / "kubelet.json").write_text(json.dumps(self._kubelet_configuration()))
        self._etcd.start(lambda: True)
        self._server.start(self._answers)
        self._controllers.start(lambda: True)
        self._scheduler.start(lambda: True)
        self._kubelet.start(lambda: self.get("/api/v1/nodes").get("items"))

    def stop(self) -> None:
        """Stop it, with its pods."""
        for daemon in (self._kubelet, self._scheduler, self._controllers, self._server, self._etcd):
            daemon.kill() if daemon is self._server else daemon.stop()
        if self._http:
            self._http.close()

    def restart(self) -> None:
        """Kill its API server, and start it again; the pods go on."""
        with self.away():
            pass

    @contextmanager
    def away(self) -> Iterator[None]:
        """Its API server is dead meanwhile."""
        self._server.kill()
        try:
            yield
        finally:
            self._server.start(self._answers)

    def get(self, path: str) -> dict[str, Any]:
        """What the API server tells its administrator; empty where there is no such object."""
        return self._ask("GET", path)

    def create(self, path: str, document: dict[str, Any]) -> None:
        """Make an object."""
        assert self._ask("POST", path, document)

    def delete(self, path: str) -> bool:
        """Delete an object; whether there was one."""
        return bool(self._ask("DELETE", path))

    def add_image(self, name: str, entrypoint: str) -> None:
        """Let pods have an image, whose entrypoint is a shell script."""
        image = self.folder / "images" / name
        image.parent.mkdir(exist_ok=True)
        image.write_text(f"#!/bin/sh\n{entrypoint}\n")
        image.chmod(0o755)

    def created(self, resource: str, namespace: str) -> list[str]:
        """The ids (`namespace/name/uid`) of all that was ever created there, as the server wrote it down."""
        found = []
        for line in (self.folder / "audit.log").read_text().splitlines():
            event = json.loads(line)
            what = event["objectRef"]
            mine = (what["resource"], what.get("namespace")) == (resource, namespace)
            if mine and event["responseStatus"]["code"] == 201:
                metadata = event["responseObject"]["metadata"]
                found.append(f"{namespace}/{metadata['name']}/{metadata['uid']}")
        return found

    def _api_server(self, built: Path, etcd: str) -> list[str | Path]:
        folder = self.folder
        return [
            built / "kube-apiserver",
            f"--etcd-servers={etcd}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.port}",
            f"--cert-dir={folder}",
            f"--token-auth-file={folder}/tokens",
            "--authorization-mode=RBAC",
            "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={folder}/accounts.key",
            f"--service-account-signing-key-file={folder}/accounts.key",
            f"--audit-policy-file={folder}/audit.json",
            f"--audit-log-path={folder}/audit.log",
            "--kubelet-preferred-address-types=InternalIP",
        ]

    def _kubelet_configuration(self) -> dict[str, Any]:
        return {
            "url": self.url,
            "token": self._tokens["admin"],
            "certificate": f"{self.folder}/apiserver.crt",
            "key": f"{self.folder}/apiserver.key",
            "node": "node",
            "folder": f"{self.folder}/pods",
            "port": free_port(),
            "images": f"{self.folder}/images",
        }

    def _kubeconfig(self, user: str) -> Path:
        """For one of its users; its context is `tests`."""
        cluster = {"server": self.url, "certificate-authority": str(self.folder / "apiserver.crt")}
        login = {"token": self._tokens[user]}
        context = {"cluster": "tests", "user": user}
        file = self.folder / f"{user}.kubeconfig"
        configuration = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "tests", "cluster": cluster}],
            "users": [{"name": user, "user": login}],
            "contexts": [{"name": "tests", "context": context}],
            "current-context": "tests",
        }
        file.write_text(json.dumps(configuration))
        return file

    def _ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        if self._http is None:
            headers = {"Authorization": f"Bearer {self._tokens['admin']}"}
            self._http = httpx.Client(base_url=self.url, headers=headers, verify=False)
        answer = self._http.request(method, path, json=body)
        return {} if answer.status_code == 404 else dict(answer.raise_for_status().json())

    def _answers(self) -> bool:
        try:
            return bool(httpx.get(f"{self.url}/readyz", verify=False).text == "ok")
        except httpx.TransportError:
            return False
