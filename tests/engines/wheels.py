"""Engines that come as Python packages: each in a virtual environment of its own, made once and kept.

They are kept below STATESTORE_TEST_CACHE, by default ~/.cache/statestore-tests, and are what
requirements/engines-NAME.txt pins by hash.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.missing import missing
from tests.server import ROOT

ENGINES = ("flink", "moto", "spark")
ON_DEMAND = ("kubernetes", "ray")
"""Those that `make engines ARGS=ray` installs beside the others."""


def python_of(engine: str) -> Path:
    """The interpreter of the engine's environment."""
    folder = _folder(engine)
    if not (folder / "installed").exists():
        if engine in ON_DEMAND:
            pytest.skip(f"{engine.capitalize()}: run on demand, after make engines ARGS={engine}")
        missing(engine.capitalize(), "make engines")
    return folder / "bin" / "python"


def packages_of(engine: str) -> Path:
    """The folder of the engine's Python packages."""
    (folder,) = python_of(engine).parent.parent.glob("lib/python3*/site-packages")
    return folder


def install(engine: str) -> str:
    """Make the environment, where it is not there yet; what went wrong, else nothing."""
    folder = _folder(engine)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / "installed").exists():
            return ""
        print(f"installing {engine} into {folder}", flush=True)  # noqa: T201 - of a command
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=120)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-deps"]
        pinned = ["--require-hashes", "--requirement", str(_requirements(engine))]
        done = subprocess.run(
            [*pip, *pinned], capture_output=True, text=True, check=False, timeout=1800
        )
        if done.returncode != 0:
            return f"{engine}: pip could not install it: {done.stderr.strip()[-500:]}"
        (folder / "installed").touch()
    return ""


def cache() -> Path:
    """The folder of what is made once for all runs."""
    return Path(
        os.environ.get("STATESTORE_TEST_CACHE") or Path.home() / ".cache" / "statestore-tests"
    )


def _folder(engine: str) -> Path:
    content = _requirements(engine).read_bytes() + sys.version.encode()
    return cache() / f"{engine}-{hashlib.sha256(content).hexdigest()[:12]}"


def _requirements(engine: str) -> Path:
    return ROOT / "requirements" / f"engines-{engine}.txt"
