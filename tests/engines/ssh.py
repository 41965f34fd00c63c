"""OpenSSH's server on this host, for whoever has the key of the test."""

import getpass
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from tests.engines.daemons import Daemon
from tests.missing import missing
from tests.ports import free_port

PATH = os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin"  # where Debian has the daemon
PROGRAMS = ("sshd", "ssh", "ssh-keygen")

CONFIGURATION = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host-key
AuthorizedKeysFile {folder}/key.pub
PidFile none
AuthenticationMethods publickey
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
MaxStartups 100
"""


class Sshd:
    """A server with a key of its own; `ssh` is the command that reaches it."""

    def __init__(self, folder: Path) -> None:
        if lacking := [name for name in PROGRAMS if not shutil.which(name, path=PATH)]:
            missing("OpenSSH's server", f"make engines, or install {', '.join(lacking)}")
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # root's sshd insists on it
        self.folder, self.port = folder, free_port()
        self.host = f"{getpass.getuser()}@127.0.0.1"
        for name in ("host-key", "key"):
            words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
            subprocess.run(words, check=True)
        (folder / "sshd_config").write_text(CONFIGURATION.format(port=self.port, folder=folder))
        key = (folder / "host-key.pub").read_text()
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {key}")
        program = str(shutil.which("sshd", path=PATH))
        command: list[str | Path] = [program, "-D", "-e", "-f", folder / "sshd_config"]
        self._daemon = Daemon(command, folder / "sshd.log")

    @property
    def ssh(self) -> list[str]:
        """The program with what it needs to know."""
        options = [f"-oUserKnownHostsFile={self.folder}/known_hosts", "-oIdentitiesOnly=yes"]
        return ["ssh", "-F", "none", "-p", str(self.port), "-i", f"{self.folder}/key", *options]

    def start(self) -> None:
        """Start it, and wait until it lets us in."""
        self._daemon.start(self._answers)

    def stop(self) -> None:
        """End it; connections that it has go on."""
        self._daemon.kill()

    @contextmanager
    def away(self) -> Iterator[None]:
        """It is dead meanwhile; what was started over it goes on."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def cut(self) -> None:
        """Break the connections that it has, as a router that fails would."""
        for process in _sshds_below(self._daemon.pid):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def silent(self) -> AbstractContextManager[None]:
        """It takes connections meanwhile, and says nothing."""
        return self._daemon.paused()

    def _answers(self) -> bool:
        words = [*self.ssh, "-oBatchMode=yes", self.host, "true"]
        return subprocess.run(words, capture_output=True, check=False).returncode == 0


def _sshds_below(parent: int) -> Iterator[int]:
    """The processes of a server's connections, without what they run."""
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        with suppress(FileNotFoundError):
            if Path(f"/proc/{child}/comm").read_text().startswith("sshd"):
                yield from _sshds_below(int(child))
                yield int(child)
