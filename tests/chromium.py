"""Where Chromium is, and how tests start it."""

import os
import shutil

ARGUMENTS = [
    "--no-sandbox",  # tests run as root in containers, and visit their own pages alone
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

REMEDY = "apt-get install chromium fonts-liberation, or set CHROMIUM=/path/to/chromium"


def find_chromium() -> str | None:
    """The path of a Chromium: the one that CHROMIUM names, else one on the PATH."""
    named = os.environ.get("CHROMIUM")
    if named:
        return named if os.access(named, os.X_OK) else None
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next(filter(None, map(shutil.which, names)), None)
