"""AWS, as moto plays it; see `moto_runner`."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx

from tests.engines.daemons import Daemon
from tests.engines.wheels import packages_of, python_of
from tests.ports import free_port

ACCOUNT = "123456789012"
REGION = "eu-central-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/tests"
BOTO3 = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six.py", "urllib3")
"""What is imported with it."""


class Moto:
    """A server at `url`. boto3 comes from its environment too: it is in the folder `packages`."""

    def __init__(self, folder: Path) -> None:
        self.packages = folder / "packages"
        self.packages.mkdir()
        for name in BOTO3:
            (self.packages / name).symlink_to(packages_of("moto") / name)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        runner = Path(__file__).with_name("moto_runner.py")
        command: list[str | Path] = [python_of("moto"), "-I", runner, str(port)]
        self._daemon = Daemon(command, folder / "moto.log")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._daemon.start(self._answers)

    def stop(self) -> None:
        """Stop it; its state is gone."""
        self._daemon.stop()

    def away(self) -> AbstractContextManager[None]:
        """It does not answer meanwhile."""
        return self._daemon.paused()

    def client(self, service: str) -> Any:
        """A client of boto3."""
        import boto3

        return boto3.client(service, region_name=REGION, endpoint_url=self.url)

    def _answers(self) -> bool:
        try:
            return (
                httpx.get(f"{self.url}/moto-api/state-manager/get-transition", verify=False)
                is not None
            )
        except httpx.TransportError:
            return False
