"""What the rigs of all job classes on YARN share: how its applications are counted."""

from contextlib import AbstractContextManager
from pathlib import Path

from statestore.jobs.resource_manager import ACTIVE
from tests.engines.yarn import Yarn
from tests.jobs.contract import EngineRig


class YarnRig(EngineRig):
    """The applications of one test have its folder as their name."""

    unknown_id = "application_1500000000000_0001"

    def __init__(self, folder: Path, yarn: Yarn) -> None:
        super().__init__(folder)
        self.yarn = yarn

    def submissions(self) -> list[str]:
        apps = self.yarn.applications()
        return [app for app, shown in apps.items() if shown["name"] == str(self.folder)]

    def running(self) -> list[str]:
        apps = self.yarn.applications()
        return [app for app in self.submissions() if apps[app]["state"] in ACTIVE]

    def restart(self) -> None:
        self.yarn.restart()

    def away(self) -> AbstractContextManager[None]:
        return self.yarn.away()
