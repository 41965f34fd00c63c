"""What the contract of job classes needs to know of a system: how a job is made, and who counts."""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from statestore.jobs.polling import PollingJob

WAIT_FOR_END = 'until test -e "$0/end"; do sleep 0.05; done; exit "$(cat "$0/end")"'
"""A shell script, with the rig's folder as its $0: ends as soon, and as, `Rig.end` says."""


class Rig(ABC):
    """A real system, and the jobs of one test in it. A job runs until `end`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def job(self, **options: Any) -> PollingJob:
        """A job, always the same, which can be pickled; it waits for the file `end` of the folder.

        Its poll interval is 0.05 s unless the options say otherwise.
        """

    @abstractmethod
    def submissions(self) -> list[str]:
        """The ids of all jobs of this test that the system knows: asked of it, not of our class."""

    @abstractmethod
    def running(self) -> list[str]:
        """Those of them that have not ended."""

    def ran(self) -> list[str]:
        """Those that may have done work; others were held back, and cancelled."""
        return self.submissions()

    unknown_id: Any
    """A well-formed id that the system has never given."""
    unknown_is_lost: bool = True
    """Whether the class takes a job that the system does not know for lost; else it waits."""

    kill_within: float = 1.0
    """Seconds in which a worker submits, and sees the job: random kills come within them."""

    def end(self, exit_status: int = 0) -> None:
        """Let the jobs of this test end, those to come too."""
        part = self.folder / "end.part"
        part.write_text(str(exit_status))
        part.rename(self.folder / "end")

    def go_on(self) -> None:
        """Let the jobs to come wait again."""
        (self.folder / "end").unlink()


class EngineRig(Rig):
    """One whose system is a server."""

    @abstractmethod
    def restart(self) -> None:
        """Stop the system, and start it again."""

    @abstractmethod
    def away(self) -> AbstractContextManager[None]:
        """Nobody can reach the system meanwhile; its jobs go on."""
