"""Clearing a whole run."""

import logging

from django.db import transaction

from statestore.protocol import TaskScope
from statestore.services.audit import Action, audit_record
from statestore.services.entries import Writer, cleared_keys
from statestore.services.summaries import forget_progress
from statestore.sql import runs

logger = logging.getLogger(__name__)


@transaction.atomic
def run_clear(*, dag_id: str, run_id: str, writer: Writer) -> int:
    """Delete every entry of every task instance of a run; how many. It is in the audit.

    The attempt numbers stay.
    """
    runs.hold.rows(dag_id=dag_id, run_id=run_id)
    rows = runs.clear.rows(dag_id=dag_id, run_id=run_id)
    forget_progress(rows)
    if rows:
        logger.info("%s cleared %s keys of run %s of %s", writer.name, len(rows), run_id, dag_id)
        audit_record(
            action=Action.CLEARED_RUN,
            who=writer.name,
            scope=TaskScope(dag_id, run_id, ""),
            detail=cleared_keys(rows),
            reason=writer.reason,
        )
    return len(rows)
