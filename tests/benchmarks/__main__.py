"""Runs the benchmarks: `python -m tests.benchmarks [--quick] [requests batch sweeps viewers …]`."""

import importlib
import sys
import time

ALL = (
    "requests",
    "embedded",
    "batch",
    "sdk",
    "viewers",
    "seen",
    "sweeps",
    "backlog",
    "hotkeys",
    "growth",
    "processes",
)


def main(words: list[str]) -> None:
    """Run those that are named, or all."""
    names = [word for word in words if word != "--quick"] or list(ALL)
    unknown = set(names) - set(ALL)
    if unknown:
        sys.exit(f"There is no benchmark {', '.join(unknown)}: there are {', '.join(ALL)}.")
    for name in names:
        begin = time.monotonic()
        module = importlib.import_module(f"tests.benchmarks.{name}")
        print(f"== {(module.__doc__ or name).splitlines()[0]}", flush=True)  # noqa: T201
        module.main("--quick" in words)
        print(f"   ({name}: {time.monotonic() - begin:.0f} s)", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
