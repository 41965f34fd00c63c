"""Rigs for what runs on Kubernetes: each test has a namespace of its own, and in it somebody with the role
that docs/jobs.md names. What needs the official client is imported late: it is not everywhere."""

import re
import uuid
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar

from tests.engines.kubernetes import Kubernetes
from tests.jobs.contract import EngineRig
from tests.server import ROOT

ROLES = "/apis/rbac.authorization.k8s.io/v1/namespaces"


class KubernetesRig(EngineRig):
    """The objects of one test, counted by what the API server wrote down when it made them."""

    role: ClassVar[str]
    """Its name in docs/jobs.md."""
    resource: ClassVar[str]
    path: ClassVar[str]

    def __init__(self, folder: Path, kubernetes: Kubernetes) -> None:
        super().__init__(folder)
        self.kubernetes, self.namespace = kubernetes, f"test-{uuid.uuid4().hex[:12]}"
        self.unknown_id = f"{self.namespace}/nobody/{uuid.UUID(int=0)}"
        kubernetes.create("/api/v1/namespaces", {"metadata": {"name": self.namespace}})
        roles = f"{ROLES}/{self.namespace}"
        kubernetes.create(f"{roles}/roles", documented_role(self.role))
        api = "rbac.authorization.k8s.io"
        binding = {
            "metadata": {"name": "tests"},
            "roleRef": {"apiGroup": api, "kind": "Role", "name": self.role},
            "subjects": [{"apiGroup": api, "kind": "User", "name": "user"}],
        }
        kubernetes.create(f"{roles}/rolebindings", binding)

    def submissions(self) -> list[str]:
        return self.kubernetes.created(self.resource, self.namespace)

    def running(self) -> list[str]:
        found = self.kubernetes.get(f"{self.path}/namespaces/{self.namespace}/{self.resource}")
        names = [each["metadata"] for each in found["items"] if not self.has_ended(each["status"])]
        return [f"{self.namespace}/{each['name']}/{each['uid']}" for each in names]

    def has_ended(self, status: dict[str, Any]) -> bool:
        """Whether an object of that status runs no more."""
        raise NotImplementedError

    def restart(self) -> None:
        self.kubernetes.restart()

    def away(self) -> AbstractContextManager[None]:
        return self.kubernetes.away()


def documented_role(name: str) -> dict[str, Any]:
    """A role, as docs/jobs.md has it."""
    import yaml

    text = (ROOT / "docs/jobs.md").read_text()
    found = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
    (role,) = [
        each for each in found if each["kind"] == "Role" and each["metadata"]["name"] == name
    ]
    return dict(role)
