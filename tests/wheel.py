"""The wheel of this source."""

import subprocess
import sys
from pathlib import Path

from tests.server import ROOT


def build_wheel(folder: Path) -> Path:
    """Build it into a folder; its path."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run([*command, "--directory", str(folder)], cwd=ROOT, check=True, timeout=60)
    (built,) = folder.glob("*.whl")
    return built
