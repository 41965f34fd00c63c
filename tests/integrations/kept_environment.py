"""Virtual environments with a real scheduler, for tests: made once, and kept.

They are kept below STATESTORE_TEST_CACHE, by default ~/.cache/statestore-tests.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.missing import missing
from tests.server import ROOT
from tests.wheel import build_wheel

TOO_NEW = {"airflow-2.10": (3, 13), "airflow-3.3": (3, 15), "prefect-3": (3, 15)}
"""What is installed, by its file of requirements, and the first Python that it does not run on."""


@contextlib.contextmanager
def kept_environment(name: str) -> Iterator[Path]:
    """Its Python, for one test run at a time."""
    kept = _folder(name)
    kept.parent.mkdir(parents=True, exist_ok=True)
    with kept.with_name(f"{kept.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield _installed(name, kept)


def install_wheel(python: Path, folder: Path) -> None:
    """Install this project there, from the wheel that is built in the folder."""
    pip = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    wheel = build_wheel(folder / "wheel")
    subprocess.run([*pip, "--force-reinstall", wheel], check=True, timeout=300)


def _folder(name: str) -> Path:
    cache = os.environ.get("STATESTORE_TEST_CACHE") or Path.home() / ".cache" / "statestore-tests"
    python = Path(_python_for(name)).resolve()  # one environment for all clones
    content = _requirements(name).read_bytes() + str(python).encode()
    return Path(cache) / f"{name}-{hashlib.sha256(content).hexdigest()[:12]}"


def _installed(name: str, folder: Path) -> Path:
    python, stamp = folder / "bin" / "python", folder / "installed"
    if not stamp.exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([_python_for(name), "-m", "venv", folder], check=True, timeout=120)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
        requirements = ["--requirement", str(_requirements(name))]
        done = subprocess.run(
            [*pip, *requirements], capture_output=True, text=True, check=False, timeout=900
        )
        if done.returncode != 0:
            missing(name, f"pip could not install it: {done.stderr[-500:]}")
        stamp.touch()
    return python


def _python_for(name: str) -> str:
    if sys.version_info < TOO_NEW[name]:
        return sys.executable
    found = shutil.which("python3.12") or shutil.which("python3.11")
    return found or missing(name, "it runs on Python 3.11 and 3.12 alone: install one of them")


def _requirements(name: str) -> Path:
    return ROOT / "requirements" / f"{name}.txt"
