"""Java programs of the tests, compiled once for all runs."""

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Final

from tests.engines.wheels import cache
from tests.missing import missing

JAVA: Final = Path(__file__).with_name("java")


def compiled(name: str, classpath: str) -> Path:
    """The folder with the classes of `java/NAME/`, in the cache of the engines."""
    if not shutil.which("javac"):
        missing("a JDK", "make engines, or install one")
    sources = sorted((JAVA / name).glob("*.java"))
    content = classpath.encode() + b"".join(source.read_bytes() for source in sources)
    folder = cache() / f"{name}-{hashlib.sha256(content).hexdigest()[:12]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "compiled").exists():
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run(
                ["javac", "-nowarn", "-cp", classpath, "-d", folder, *sources], check=True
            )
            (folder / "compiled").touch()
    return folder
