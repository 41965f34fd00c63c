"""Runs DAGs with the Airflow of this interpreter, one after the other in this process.

airflow_runner.py FILE:DAG …   A DAG whose name is followed by `:fails` has its first try fail: the task
`load` at its sixth page, the job of `report` just after it was submitted. With `:waits` that job runs
for minutes. The last line is JSON: the state, the run and the tries of the tasks, by DAG.
"""

import importlib
import json
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

from statestore.jobs.process import ProcessJob


def bag(path: str) -> Any:
    """The DAGs of a file."""
    try:
        module = importlib.import_module("airflow.dag_processing.dagbag")
    except ImportError:  # Airflow 2
        module = importlib.import_module("airflow.models.dagbag")
    found = module.DagBag(path)
    assert not found.import_errors, found.import_errors
    return found


def failing_at(number: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which fails when it is called for that time."""
    calls = []

    @wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == number:
            raise RuntimeError("staged: the worker is lost")
        return function(*args, **kwargs)

    return called


def let_fail(dag: Any) -> None:
    """Have the tasks' first tries fail."""
    load = dag.get_task("load")
    names = load.python_callable.__globals__
    names["load_page"] = failing_at(6, names["load_page"])
    ProcessJob.get_job_status = failing_at(1, ProcessJob.get_job_status)  # type: ignore[method-assign]


def let_wait() -> None:
    """Have the job of `report` run until it is ended."""
    submit = ProcessJob.submit_job

    def submit_longer(job: ProcessJob, context: Any) -> str:
        job.command = ["sleep", "300"]
        return submit(job, context)

    ProcessJob.submit_job = submit_longer  # type: ignore[assignment,method-assign]


def main(words: list[str]) -> dict[str, Any]:
    """Run them."""
    done = {}
    for word in words:
        path, name, *how = word.split(":")
        dag = bag(path).dags[name]
        if how == ["fails"]:
            let_fail(dag)
        elif how == ["waits"]:
            let_wait()
        run = dag.test()
        tries = {
            f"{each.task_id}[{each.map_index}]": each.try_number
            for each in run.get_task_instances()
        }
        done[name] = {"state": str(run.state), "run_id": run.run_id, "tries": tries}
    return done


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:])))  # noqa: T201
