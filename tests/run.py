"""Runs the suite on PostgreSQL and on SQLite: `make test`, `python -m tests.run [pytest's options]`.

PostgreSQL runs what touches the database. SQLite comes last and runs everything, so that its
closing lines, which name the missing parts, are the last ones.
"""

import os
import signal
import subprocess
import sys
import time

from tests.postgresql import REMEDY, NoPostgreSQLError, postgresql

# Half of the tests wait for processes most of the time, so three share two cores; and whoever has
# nothing left takes over from the others, for a few tests are long.
PARALLEL = ("-n", "3", "--dist", "worksteal")
FAILED = 1  # pytest's exit code
NOTHING_SELECTED = 5  # pytest's exit code, harmless where a selection is about one database


def main(options: list[str]) -> int:
    """Run both; the exit code of the worse."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that a started server is stopped
    codes, lines = [], []
    begin = time.monotonic()
    try:
        with postgresql() as url:
            codes.append(
                _pytest("PostgreSQL", ["--database-only", *options], {"DATABASE_URL": url})
            )
    except NoPostgreSQLError as error:
        lines.append(f"MISSING PostgreSQL: {REMEDY} (its tests were skipped) {error}".rstrip())
        if os.environ.get("CI", "").lower() == "true":
            codes.append(1)
    codes.append(_pytest("SQLite", options, {"DATABASE_URL": ""}))
    for line in lines:
        print(f"\033[1;31m{line}\033[0m" if sys.stdout.isatty() else line)  # noqa: T201
    failed = [code for code in codes if code not in {0, NOTHING_SELECTED}]
    if set(codes) == {NOTHING_SELECTED}:
        failed = codes
    verdict = "failed" if failed else "passed"
    print(f"make test: {verdict} in {time.monotonic() - begin:.0f} s")  # noqa: T201
    return max(failed, default=0)


def _pytest(name: str, options: list[str], environment: dict[str, str]) -> int:
    print(f"== tests on {name}", flush=True)  # noqa: T201
    command = [sys.executable, "-m", "pytest", *PARALLEL, "-o", f"cache_dir=.pytest_cache/{name}"]
    whole = {**os.environ, **environment}
    # Whatever the shell says: two hundred processes load the same modules, which are compiled once.
    whole.pop("PYTHONDONTWRITEBYTECODE", None)
    code = subprocess.run([*command, *options], env=whole, check=False).returncode
    if code == FAILED and os.environ.get("CI", "").lower() == "true":
        # One that fails now and then is a fault all the same, and stands above; a change waits for none.
        print(f"== what failed on {name}, once more", flush=True)  # noqa: T201
        again = [*command, "--last-failed", "--last-failed-no-failures", "none", *options]
        twice = subprocess.run(again, env=whole, check=False).returncode
        code = code if twice == NOTHING_SELECTED else twice  # nothing to run again is no success
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
