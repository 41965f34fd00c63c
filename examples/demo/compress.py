"""The program that the demo's external job runs: compress a folder, the same bytes each time.

It reports its progress itself, so it moves on also while no worker is there.
"""

import sys
import tarfile
from pathlib import Path

from examples.demo.gate import wait_at
from statestore.sdk import StateStore, TaskStore


def compress(source: Path, target: Path, gate: Path, task_store: TaskStore) -> int:
    """Write `source` to the archive `target`; how many files it has."""
    files = sorted(path for path in source.rglob("*") if path.is_file() and path.suffix != ".pyc")
    with (
        task_store.progress(len(files), "files", message=f"compressing {source}") as progress,
        tarfile.open(target, "w:xz", preset=6) as archive,
    ):
        for number, file in enumerate(files):
            if number == len(files) // 2:
                wait_at(gate, progress)
            archive.add(file, file.relative_to(source.parent), filter=_anonymous)
            progress.update()
    return len(files)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mtime = member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def main(run: str, source: str, target: str, gate: str) -> None:
    """Compress for the task of a run; prints how many files."""
    with StateStore() as store:
        task_store = store.task("demo", run, "compress_folder").task_store
        print(compress(Path(source), Path(target), Path(gate), task_store))  # noqa: T201 - its output


if __name__ == "__main__":
    main(*sys.argv[1:])
