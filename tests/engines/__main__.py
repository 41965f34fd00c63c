"""Installs what the engines need: `make engines`. What cannot be installed is told, and left out.

`make engines ARGS=ray` installs Ray too, which is large; `ARGS=kubernetes` builds Kubernetes, which takes
minutes.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.engines import kubernetes_build, wheels
from tests.engines.slurm import PATH as SLURM_PATH
from tests.engines.slurm import PROGRAMS as SLURM_PROGRAMS
from tests.engines.ssh import PATH as SSH_PATH
from tests.engines.ssh import PROGRAMS as SSH_PROGRAMS

DEBIAN = {
    "slurm-wlm slurmctld slurmd slurm-client munge": (SLURM_PROGRAMS, SLURM_PATH),
    "openssh-server openssh-client": (SSH_PROGRAMS, SSH_PATH),
    "default-jdk-headless": (("java", "javac"), os.environ["PATH"]),
}

NO_SSHD = Path("/etc/ssh/sshd_not_to_be_run")
"""While it is there, Debian starts no server."""

FURTHER = {"kubernetes": kubernetes_build.install}
"""What an engine needs beside its Python packages."""


def main(on_demand: list[str]) -> int:
    """Install; how many parts could not be."""
    if unknown := set(on_demand) - set(wheels.ON_DEMAND):
        sys.exit(f"{', '.join(unknown)}: on demand there is {', '.join(wheels.ON_DEMAND)}")
    lacking = [
        package
        for packages, (programs, path) in DEBIAN.items()
        if not all(shutil.which(program, path=path) for program in programs)
        for package in packages.split()
    ]
    problems = [*_apt(lacking), *filter(None, map(wheels.install, [*wheels.ENGINES, *on_demand]))]
    problems += filter(None, (FURTHER[engine]() for engine in on_demand if engine in FURTHER))
    for problem in problems:
        print(f"MISSING {problem}")  # noqa: T201 - what a command tells
    return min(len(problems), 1)


def _apt(packages: list[str]) -> list[str]:
    if not packages:
        return []
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return [f"Debian packages: install {' '.join(packages)} (needs root and apt)"]
    print(f"installing {' '.join(packages)}", flush=True)  # noqa: T201
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    if "openssh-server" in packages:
        NO_SSHD.parent.mkdir(exist_ok=True)
        NO_SSHD.touch()  # the tests start their own: nobody has asked for one that others can reach
    patiently = ["-o", "DPkg::Lock::Timeout=600"]  # another installation may be under way
    for words in (
        ["update", "-qq"],
        ["install", "-y", "-qq", *patiently, "--no-install-recommends", *packages],
    ):
        done = subprocess.run(
            ["apt-get", *words], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            return [f"{' '.join(packages)}: {done.stderr.strip()[-500:]}"]
    return []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
