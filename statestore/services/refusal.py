"""Refusing at once what looks like a secret, where STATESTORE_REFUSE_SECRETS says so."""

from django.conf import settings

from statestore.jsontext import decode
from statestore.models import SecretFinding, TaskInstance
from statestore.protocol import InvalidInput, Scope, TaskScope
from statestore.secrets_scan import Secret, judged_secrets, secrets_in


def refuse_secret(scope: Scope, key: str, value: str) -> None:
    """Let pass a value (JSON text) that looks like no secret, or that somebody has said is none.

    Raises:
        InvalidInput: it looks like one; the message never holds it.
    """
    if not settings.STATESTORE_REFUSE_SECRETS:
        return
    found = secrets_in(key, decode(value))
    dismissed = _dismissed(scope, key) if found else set()
    first = next((secret for secret in found if not secret.is_among(dismissed)), None)
    if first is not None:
        raise InvalidInput(
            ("body", "value", *first.place.split("/")[1:]),
            f"this looks like a secret ({first.rule}), and values are stored unencrypted: store where"
            " the secret is kept, not the secret",
            "secret",
        )


def _dismissed(scope: Scope, key: str) -> set[Secret]:
    if isinstance(scope, TaskScope):
        owner = TaskInstance.objects.filter(scope_digest=scope.digest).values("pk")
        found = SecretFinding.objects.filter(of_asset=False, owner_id__in=owner)
    else:
        found = SecretFinding.objects.filter(of_asset=True, owner_id=scope.asset_id)
    rows = found.filter(key=key).exclude(dismissed_at=None)
    judged = (judged_secrets(*row) for row in rows.values_list("rule", "place", "judged"))
    return set().union(*judged)
