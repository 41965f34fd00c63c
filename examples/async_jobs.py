"""Many external jobs, polled by one process: asyncio. Kill it, start it again: no job is submitted twice.

STATESTORE_URL=… STATESTORE_TOKEN=… python -m examples.async_jobs 2026-11-20
"""

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

from statestore.sdk import AsyncResumableJobMixin, Context, StateStore

# A folder stands for the system that runs the jobs: each is a file, and has ended after so long.
SYSTEM = Path(os.environ.get("EXAMPLE_FOLDER", "var/jobs"))
SECONDS = float(os.environ.get("EXAMPLE_SECONDS", "0.3"))


class Transform(AsyncResumableJobMixin):
    """A job of a system that takes a token, and finds a job by it."""

    poll_interval = 0.1
    submitted = 0
    """By this process."""

    async def submit_job(self, context: Context) -> str:
        """Hand the token over: the system uses it as the job's name, and takes each name once."""
        token = str(context["submission"].token)
        (SYSTEM / token).touch(exist_ok=False)
        Transform.submitted += 1
        return token

    async def find_job(self, token: str, context: Context) -> str | None:
        """The job that a dead attempt has submitted."""
        return token if (SYSTEM / token).exists() else None

    async def get_job_status(self, external_id: str, context: Context) -> str:
        """Ask the system."""
        try:
            age = time.time() - (SYSTEM / external_id).stat().st_mtime
        except FileNotFoundError:
            return "unknown"
        return "running" if age < SECONDS else "succeeded"

    def is_job_active(self, status: Any) -> bool:
        """Whether it will still end."""
        return bool(status == "running")

    def is_job_succeeded(self, status: Any) -> bool:
        """Whether it has done its work."""
        return bool(status == "succeeded")


async def main(run_id: str, jobs: int = 20) -> None:
    """Run them all at once."""
    SYSTEM.mkdir(parents=True, exist_ok=True)
    async with StateStore() as store:

        async def one(number: int) -> Any:
            async with store.task("sales", run_id, "transform", number) as context:
                return await Transform().execute_resumable(context)

        results = await asyncio.gather(*(one(number) for number in range(jobs)))
    print(f"{len(set(results))} jobs have ended, {Transform.submitted} submitted here")  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
