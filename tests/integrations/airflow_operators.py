"""Operators with the mixin, as a DAG's author may write them; run with an Airflow's own interpreter.

The last line is JSON: whether each is durable, by its task.
"""

import json
from datetime import UTC, datetime
from typing import Any

from statestore.integrations.airflow import ResumableJobMixin

try:
    from airflow.sdk import DAG, BaseOperator
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.models.baseoperator import BaseOperator


class Plain(ResumableJobMixin, BaseOperator):  # type: ignore[misc]  # Airflow is not installed here
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
    with DAG("operators", start_date=datetime(2026, 1, 1, tzinfo=UTC), schedule=None):
        made: list[Any] = [
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
