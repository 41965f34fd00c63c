"""Runs the benchmarks: `python -m tests.benchmarks [--quick] [requests batch sweeps viewers …]`."""

import importlib
import os
import platform
import signal
import sys
import time
import traceback

import psycopg

from tests.postgresql import postgresql

QUICK = ("requests", "batch", "sdk", "viewers", "sweeps")  # in three minutes
ALL = (*QUICK, "embedded", "hotkeys", "webs", "seen", "backlog", "growth", "processes")
_TOLD = ("fsync", "synchronous_commit", "full_page_writes", "autovacuum", "shared_buffers")


def main(words: list[str]) -> int:
    """Run those that are named, or all, or with --quick those that take little; the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started ends with it
    quick = "--quick" in words
    names = [word for word in words if word != "--quick"] or list(QUICK if quick else ALL)
    unknown = set(names) - set(ALL)
    if unknown:
        sys.exit(f"There is no benchmark {', '.join(unknown)}: there are {', '.join(ALL)}.")
    failed = []
    began = time.monotonic()
    with postgresql(durable=True) as url:
        os.environ["DATABASE_URL"] = url  # the same one for all
        _tell(url)
        for name in names:
            begin = time.monotonic()
            module = importlib.import_module(f"tests.benchmarks.{name}")
            print(f"== {(module.__doc__ or name).splitlines()[0]}", flush=True)  # noqa: T201
            try:
                module.main(quick)
            except Exception:  # noqa: BLE001 - the others can be measured all the same
                traceback.print_exc()
                failed.append(name)
            print(f"   ({name}: {time.monotonic() - begin:.0f} s)", flush=True)  # noqa: T201
    print(f"all in {time.monotonic() - began:.0f} s; failed: {', '.join(failed) or 'none'}")  # noqa: T201
    return bool(failed)


def _tell(url: str) -> None:
    """On what it is measured. A database that does not write to disk would flatter us."""
    with psycopg.connect(url, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT name, current_setting(name) FROM unnest(%s::text[]) AS name", [list(_TOLD)]
        )
        settings: dict[str, str] = dict(rows.fetchall())
        version = connection.info.server_version // 10000
    print(  # noqa: T201
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f},"
        f" Python {platform.python_version()} ({platform.python_compiler()}), PostgreSQL {version}: "
        + ", ".join(f"{name} {settings[name]}" for name in _TOLD),
        flush=True,
    )
    if "off" in (settings["fsync"], settings["synchronous_commit"]):
        sys.exit("This PostgreSQL does not write to disk what it has committed: set DATABASE_URL.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
