"""Many external jobs, polled by one process: asyncio.

STATESTORE_URL=… STATESTORE_TOKEN=… python -m examples.async_jobs 2026-11-20
"""

import asyncio
import sys
import time
from typing import Any

from statestore.sdk import AsyncResumableJobMixin, Context, StateStore

STARTED: dict[str, float] = {}  # stands for the system that runs the jobs


class Transform(AsyncResumableJobMixin):
    """A job of a system that takes a token, and finds a job by it."""

    poll_interval = 0.1

    async def submit_job(self, context: Context) -> str:
        """Hand the token over: the system may use it as the job's name."""
        token = str(context["submission"].token)
        STARTED.setdefault(token, time.monotonic())
        return token

    async def find_job(self, token: str, context: Context) -> str | None:
        """The job that a dead attempt has submitted."""
        return token if token in STARTED else None

    async def get_job_status(self, external_id: str, context: Context) -> str:
        """Ask the system."""
        age = time.monotonic() - STARTED.get(external_id, 0)
        return "running" if age < 0.3 else "succeeded"

    def is_job_active(self, status: Any) -> bool:
        """Whether it will still end."""
        return bool(status == "running")

    def is_job_succeeded(self, status: Any) -> bool:
        """Whether it has done its work."""
        return bool(status == "succeeded")


async def main(run_id: str, jobs: int = 20) -> None:
    """Run them all at once."""
    async with StateStore() as store:

        async def one(number: int) -> Any:
            async with store.task("sales", run_id, "transform", number) as context:
                return await Transform().execute_resumable(context)

        results = await asyncio.gather(*(one(number) for number in range(jobs)))
    print(f"{len(set(results))} jobs have ended")  # noqa: T201 - a program's output


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
