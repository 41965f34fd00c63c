"""Operators with the mixin, as a DAG's author may write them; run with an Airflow's own interpreter.

The last line is JSON: whether each is durable, by its task.
"""

import importlib
import json
from datetime import UTC, datetime
from typing import Any

from statestore.integrations.airflow import ResumableJobMixin


def airflow(name: str, since_3: str, in_2: str) -> Any:
    """A class of Airflow's."""
    try:
        return getattr(importlib.import_module(since_3), name)
    except ImportError:
        return getattr(importlib.import_module(in_2), name)


BaseOperator = airflow("BaseOperator", "airflow.sdk", "airflow.models.baseoperator")


class Plain(ResumableJobMixin, BaseOperator):  # type: ignore[misc]  # whichever Airflow this is
    """Without an `__init__` of its own."""


class Own(ResumableJobMixin, BaseOperator):  # type: ignore[misc]  # see above
    """With one, to be mapped."""

    def __init__(self, *, region: str, **options: Any) -> None:
        super().__init__(**options)
        self.region = region


class Never(Plain):
    """As the class says."""

    durable = False


class Behind(BaseOperator, ResumableJobMixin):  # type: ignore[misc]  # see above
    """The mixin after the operator's class."""


def main() -> dict[str, Any]:
    """Make one of each."""
    with airflow("DAG", "airflow.sdk", "airflow")(
        "operators", start_date=datetime(2026, 1, 1, tzinfo=UTC), schedule=None
    ):
        made = [
            Plain(task_id="plain"),
            Plain(task_id="argument", durable=False),
            Plain(task_id="default_args", default_args={"durable": False}),
            Own(task_id="own", region="north", durable=False, retries=3),
            Never(task_id="never"),
            Never(task_id="after_all", durable=True),
            Behind(task_id="behind"),
        ]
        mapped = Own.partial(task_id="mapped", durable=False).expand(region=["north", "south"])
    durable = {operator.task_id: operator.durable for operator in made}
    return {**durable, "mapped": mapped.partial_kwargs["durable"]}


if __name__ == "__main__":
    print(json.dumps(main()))  # noqa: T201
