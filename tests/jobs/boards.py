"""Rigs of job classes whose system is a `BoardServer`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.engines.board import RUNNING, BoardServer
from tests.jobs.contract import EngineRig


class BoardRig(EngineRig):
    """The jobs of one folder."""

    def __init__(self, folder: Path, system: BoardServer) -> None:
        super().__init__(folder)
        self.system = system

    def submissions(self) -> list[str]:
        return list(self.system.jobs(self.folder))

    def running(self) -> list[str]:
        return [job for job, state in self.system.jobs(self.folder).items() if state == RUNNING]

    def restart(self) -> None:
        self.system.daemon.kill()
        self.system.start()

    @contextmanager
    def away(self) -> Iterator[None]:
        self.system.daemon.kill()
        try:
            yield
        finally:
            self.system.start()
