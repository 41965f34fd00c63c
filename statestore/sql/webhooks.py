"""Deliveries of webhooks: who sends which try."""

from typing import Final

from statestore.sql.statement import Statement

# Take some deliveries of a webhook that are due, for one try each. Until the lease ends nobody else
# takes them; a worker that is lost never says what came of it, and then they are due again.
# Materialized, since PostgreSQL may run a subquery once a row, and each time lock other rows.
claim: Final = Statement("""
WITH due AS MATERIALIZED (
    SELECT id FROM statestore_webhookdelivery
    WHERE webhook_id = %(webhook)s AND state = 'waiting' AND due_at <= %(now)s{at}
        AND give_up_at >= %(now)s{at} AND (%(active)s{int} = 1 OR event = 'webhook.test')
    ORDER BY due_at LIMIT %(limit)s {skip})
UPDATE statestore_webhookdelivery SET due_at = %(lease)s{at}, tries = tries + 1
WHERE id IN (SELECT id FROM due)
RETURNING id, message_id, body, tries
""")
