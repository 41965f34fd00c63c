"""A kubelet that runs the container of each pod as a process: `python -I process_kubelet.py CONFIGURATION`.

It is the node of a cluster whose every other part is real. An image is a program (its entrypoint) of that
name in the folder `images`. Paths of the container (its mounts, and the file of its termination message)
stand for files below the pod's folder, wherever they are in its command and variables. Restarts of a
container (`restartPolicy`) are none of its business: pods run once, and only their first container.
"""

import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

Json = dict[str, Any]

TICK = 0.1  # seconds
DEFAULT_MESSAGE = "/dev/termination-log"
MERGE = "application/strategic-merge-patch+json"


class NotYetError(Exception):
    """Something that the pod needs is not there yet: the reason that is told meanwhile, and what it is."""


class Api:
    """The API server. What it does not answer now is asked again at the next tick."""

    def __init__(self, url: str, token: str, certificate: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        verify = ssl.create_default_context(cafile=certificate)
        self._http = httpx.Client(base_url=url, headers=headers, verify=verify, timeout=10)

    def ask(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Json:
        """An object; empty where there is none, or its state forbids what is asked."""
        content = None if body is None else json.dumps(body)
        answer = self._http.request(method, path, content=content, headers={"Content-Type": kind})
        if answer.status_code in {404, 409}:
            return {}
        answer.raise_for_status()
        return dict(answer.json())


class Pod:
    """One pod, and its process."""

    def __init__(self, found: Json, kubelet: "Kubelet") -> None:
        metadata = found["metadata"]
        self.namespace, self.name, self.uid = (
            metadata[key] for key in ("namespace", "name", "uid")
        )
        self.path = f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"
        self.kubelet, self.spec = kubelet, found["spec"]
        self.container = self.spec["containers"][0]
        self.folder: Path = kubelet.folder / self.uid
        self.process: subprocess.Popen[bytes] | None = None
        self.began, self.ended = "", ""
        self.told = ""
        self.asked_to_end = 0.0

    @property
    def log(self) -> Path:
        """What it writes."""
        return self.folder / "log"

    def start(self) -> None:
        """Start its process."""
        self.folder.mkdir(exist_ok=True)
        places = dict(self._mounts())
        places[self.container.get("terminationMessagePath", DEFAULT_MESSAGE)] = self._message

        def here(text: str) -> str:
            for path, place in places.items():
                text = text.replace(path, str(place))
            return text

        image = self.kubelet.images / self.container["image"]
        if not image.exists():
            raise NotYetError("ErrImagePull", f"there is no image {image.name}")
        command = self.container.get("command") or [str(image)]
        command = [here(word) for word in [*command, *self.container.get("args", [])]]
        environment = {name: here(value) for name, value in self._variables()}
        self.began = now()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.container.get("workingDir", self.folder),
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def end(self, grace: float) -> None:
        """Ask its process to end; kill it after `grace` seconds."""
        first = not self.asked_to_end
        self.asked_to_end = self.asked_to_end or time.monotonic()
        if first:
            self._signal(signal.SIGTERM)
        elif time.monotonic() > self.asked_to_end + grace:
            self._signal(signal.SIGKILL)

    def kill(self) -> None:
        """Kill its process."""
        self._signal(signal.SIGKILL)

    def status(self) -> Json:
        """What is told of it."""
        code = None if self.process is None else self.process.poll()
        phase, state = "Running", {"running": {"startedAt": self.began}}
        if code is not None:
            self._signal(signal.SIGKILL)  # nothing of it outlives its first process
            self.ended = self.ended or now()
            phase = "Failed" if code else "Succeeded"
            state = {"terminated": self._terminated(128 - code if code < 0 else code)}
        return {
            **self.told_as(phase, state),
            "podIP": "127.0.0.1",
            "hostIP": "127.0.0.1",
            "startTime": self.began,
            "conditions": [{"type": "Ready", "status": str(phase == "Running")}],
        }

    def told_as(self, phase: str, state: Json) -> Json:
        """The pod's phase, and the state of its container."""
        container = {
            "name": self.container["name"],
            "image": self.container["image"],
            "imageID": "",
        }
        container |= {"restartCount": 0, "ready": phase == "Running", "state": state}
        container |= {"containerID": f"process://{self.uid}"}
        return {"phase": phase, "containerStatuses": [container]}

    @property
    def _message(self) -> Path:
        return self.folder / "termination-message"

    def _terminated(self, code: int) -> Json:
        said = self._message.read_text() if self._message.exists() else ""
        ended: Json = {"exitCode": code, "reason": "Error" if code else "Completed"}
        ended |= {"startedAt": self.began, "finishedAt": self.ended, "message": said[:4096]}
        return ended

    def _signal(self, number: signal.Signals) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    def _mounts(self) -> Iterator[tuple[str, Path]]:
        """Where its mounts are here."""
        volumes = {volume["name"]: volume for volume in self.spec.get("volumes", [])}
        for mount in self.container.get("volumeMounts", []):
            place = self.folder / "volumes" / mount["name"]
            place.mkdir(parents=True, exist_ok=True)
            if "configMap" in volumes[mount["name"]]:
                name = volumes[mount["name"]]["configMap"]["name"]
                found = self.kubelet.api.ask(
                    "GET", f"/api/v1/namespaces/{self.namespace}/configmaps/{name}"
                )
                if not found:  # spark-submit creates it after the pod
                    raise NotYetError("ContainerCreating", f"there is no config map {name}")
                for key, text in found.get("data", {}).items():
                    (place / key).write_text(text)
            yield mount["mountPath"], place

    def _variables(self) -> Iterator[tuple[str, str]]:
        fields = {"metadata.name": self.name, "metadata.namespace": self.namespace}
        fields |= {"metadata.uid": self.uid, "spec.nodeName": self.kubelet.node}
        for variable in self.container.get("env", []):
            path = variable.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath", "")
            yield variable["name"], variable.get("value", fields.get(path, "127.0.0.1"))


class Kubelet:
    """One node."""

    def __init__(self, configuration: Json) -> None:
        url, token, certificate = (configuration[key] for key in ("url", "token", "certificate"))
        self.api = Api(url, token, certificate)
        self.node, self.folder = configuration["node"], Path(configuration["folder"])
        self.images = Path(configuration["images"])
        self.port: int = configuration["port"]
        self.pods: dict[str, Pod] = {}

    def register(self) -> None:
        """Tell that there is this node, and that it is ready."""
        metadata = {"name": self.node, "labels": {"kubernetes.io/hostname": self.node}}
        self.api.ask("POST", "/api/v1/nodes", {"metadata": metadata})
        room = {"cpu": "64", "memory": "64Gi", "pods": "500"}
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
        status = {
            "capacity": room,
            "allocatable": room,
            "conditions": [{**ready, "lastHeartbeatTime": now(), "lastTransitionTime": now()}],
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self.port}},
        }
        self.api.ask("PATCH", f"/api/v1/nodes/{self.node}/status", {"status": status}, MERGE)

    def tick(self) -> None:
        """Look at all pods of this node, and do what is due."""
        found = self.api.ask("GET", f"/api/v1/pods?fieldSelector=spec.nodeName={self.node}")
        pods = {pod["metadata"]["uid"]: pod for pod in found["items"]}
        for uid in self.pods.keys() - pods.keys():
            self.pods.pop(uid).kill()
        for uid, pod in pods.items():
            if uid not in self.pods:
                self.pods[uid] = Pod(pod, self)
            self._look_at(self.pods[uid], pod)

    def stop(self) -> None:
        """End what runs."""
        for pod in self.pods.values():
            pod.kill()

    def _look_at(self, mine: Pod, pod: Json) -> None:
        has_ended = pod["status"].get("phase") in {"Succeeded", "Failed"}
        deleting = "deletionTimestamp" in pod["metadata"]
        if not has_ended and mine.process is None and not deleting:
            try:
                mine.start()
            except NotYetError as lacking:
                reason, message = lacking.args
                waiting = {"waiting": {"reason": reason, "message": message}}
                self._tell(mine, mine.told_as("Pending", waiting))
                return
            except OSError as problem:
                ended = {"exitCode": 128, "reason": "StartError", "message": str(problem)}
                self._tell(mine, mine.told_as("Failed", {"terminated": ended}))
                return
        if deleting and (has_ended or mine.process is None):
            once = {"gracePeriodSeconds": 0, "preconditions": {"uid": mine.uid}}
            self.api.ask("DELETE", mine.path, once)
            return
        if deleting:
            mine.end(pod["metadata"].get("deletionGracePeriodSeconds", 30))
        if not has_ended:
            self._tell(mine, mine.status())

    def _tell(self, mine: Pod, status: Json) -> None:
        if status["phase"] != mine.told:
            self.api.ask("PATCH", f"{mine.path}/status", {"status": status}, MERGE)
            mine.told = status["phase"]

    def serve_logs(self, certificate: str, key: str) -> None:
        """Answer the API server when it asks for a log."""
        kubelet = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                place = urlsplit(self.path)
                _, _, namespace, name, _ = place.path.split("/")
                mine = [
                    pod
                    for pod in list(kubelet.pods.values())
                    if (pod.namespace, pod.name) == (namespace, name)
                ]
                text = mine[-1].log.read_bytes() if mine and mine[-1].log.exists() else b""
                if tail := parse_qs(place.query).get("tailLines"):
                    text = b"".join(text.splitlines(keepends=True)[-int(tail[0]) :])
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate, key)
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()


def now() -> str:
    """The time, as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def main(file: str) -> None:
    """Run until SIGTERM."""
    configuration = json.loads(Path(file).read_text())
    kubelet = Kubelet(configuration)
    kubelet.folder.mkdir(exist_ok=True)
    kubelet.serve_logs(configuration["certificate"], configuration["key"])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    registered = False
    try:
        while True:
            try:
                if not registered:
                    kubelet.register()
                    registered = True
                kubelet.tick()
            except httpx.HTTPError as problem:  # the API server is away, or not ready: later
                print(problem, file=sys.stderr, flush=True)  # noqa: T201 - its log
            time.sleep(TICK)
    finally:
        kubelet.stop()


if __name__ == "__main__":
    main(sys.argv[1])
