"""Installs what the engines need: `make engines`. What cannot be installed is told, and left out.

`make engines ARGS=ray` installs Ray too, which is large.
"""

import os
import shutil
import subprocess
import sys

from tests.engines import wheels
from tests.engines.slurm import PATH as SLURM_PATH
from tests.engines.slurm import PROGRAMS as SLURM_PROGRAMS

DEBIAN = {
    "slurm-wlm slurmctld slurmd slurm-client munge": (SLURM_PROGRAMS, SLURM_PATH),
    "default-jdk-headless": (("java", "javac"), os.environ["PATH"]),
}


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
    for words in (
        ["update", "-qq"],
        ["install", "-y", "-qq", "--no-install-recommends", *packages],
    ):
        done = subprocess.run(
            ["apt-get", *words], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            return [f"{' '.join(packages)}: {done.stderr.strip()[-500:]}"]
    return []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
