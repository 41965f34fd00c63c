"""Slurm, with a controller and one node on this host."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.engines.daemons import Daemon
from tests.missing import missing
from tests.ports import free_port

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel")
PATH = os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin"  # where Debian has the daemons

CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,sched_min_interval=0,bf_interval=1,nohold_on_prolog_fail
MessageTimeout=1
KillWait=1
CompleteWait=0
ReturnToService=2
NodeName=node NodeHostname={host} NodeAddr=127.0.0.1 CPUs=64 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


class Slurm:
    """A cluster below `folder`; commands reach it by `environment`."""

    def __init__(self, folder: Path) -> None:
        lacking = [name for name in PROGRAMS if not shutil.which(name, path=PATH)]
        if lacking:
            missing("Slurm", f"make engines, or install {', '.join(lacking)}")
        self.folder = folder
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf")}
        self._munge, self._controller, self._node = (
            Daemon(command, folder / f"{name}.out", {**self.environment, "PATH": PATH})
            for name, command in self._commands().items()
        )

    def _commands(self) -> dict[str, list[str | Path]]:
        folder = self.folder
        munge: list[str | Path] = ["munged", "--foreground", "--force"]
        munge += [f"--{name}-file={folder}/munge.{name}" for name in ("key", "pid", "log", "seed")]
        return {
            "munged": [*munge, f"--socket={folder}/munge.socket", "--num-threads=2"],
            "slurmctld": ["slurmctld", "-D", "-f", folder / "slurm.conf"],
            "slurmd": ["slurmd", "-D", "-N", "node", "-f", folder / "slurm.conf"],
        }

    def start(self) -> None:
        """Start it on free ports."""
        folder = self.folder
        for name in ("state", "spool"):
            (folder / name).mkdir(parents=True)
        key = folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        (folder / "slurm.conf").write_text(
            CONFIGURATION.format(
                folder=folder,
                host=socket.gethostname().partition(".")[0],
                user=os.environ.get("USER") or "root",
                controller_port=free_port(),
                node_port=free_port(),
            )
        )
        self._munge.start((folder / "munge.socket").exists)
        self._controller.start(self._answers)
        self._node.start(lambda: self.run("sinfo", "-h", "-o", "%T").strip() in {"idle", "mixed"})

    def stop(self) -> None:
        """Stop it, with its jobs."""
        self.run("scancel", "--full", "--signal=KILL", "--partition=main")
        for daemon in (self._node, self._controller, self._munge):
            daemon.stop()

    def restart(self) -> None:
        """Restart its controller; the jobs go on.

        It is asked to end, and saves its state then. One that is killed comes back with what it saved
        last, and may have forgotten the jobs of the seconds before.
        """
        with self.away():
            pass

    @contextmanager
    def away(self) -> Iterator[None]:
        """Its controller is gone meanwhile."""
        self._controller.stop()
        try:
            yield
        finally:
            self._controller.start(self._answers)

    def run(self, *command: str) -> str:
        """The output of one of its commands; empty where it fails."""
        return subprocess.run(
            command,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        ).stdout

    def _answers(self) -> bool:
        return " is UP" in self.run("scontrol", "ping")
