"""A task in plain Python, as cron, Prefect, Dagster or a person starts it: kill it, and start it again.

STATESTORE_URL=… STATESTORE_TOKEN=… python -m examples.plain 2026-11-20
"""

import sys
import time

from statestore.sdk import StateStore


def ingest(run_id: str, pages: int = 20) -> int:
    """Load the pages that no earlier attempt has loaded; how many that were."""
    with StateStore() as store, store.task("sales", run_id, "ingest") as context:
        task_store = context["task_store"]
        first = int(task_store.get("last_page", default=0)) + 1
        with task_store.progress(total=pages, unit="pages") as progress:
            progress.set(first - 1)
            for page in range(first, pages + 1):
                time.sleep(0.05)  # load it
                task_store.set("last_page", page)
                progress.set(page)
        context["asset_store"]["s3://lake/sales"].set("watermark", run_id)
        return pages - first + 1


if __name__ == "__main__":
    loaded = ingest(sys.argv[1])
    print(f"loaded {loaded} pages")  # noqa: T201 - a program's output
