"""Refusing at once what looks like a secret, where STATESTORE_REFUSE_SECRETS says so."""

from django.conf import settings

from statestore.jsontext import decode
from statestore.models import SecretFinding, TaskInstance
from statestore.protocol import InvalidInput, Scope, TaskScope
from statestore.secrets_scan import Secret, secrets_in


def refuse_secret(scope: Scope, key: str, value: str) -> None:
    """Let pass a value (JSON text) that looks like no secret, or that somebody has said is none.

    Raises:
        InvalidInput: it looks like one; the message never holds it.
    """
    if not settings.STATESTORE_REFUSE_SECRETS:
        return
    found = secrets_in(key, decode(value))
    if found and (left := [secret for secret in found if secret not in _dismissed(scope, key)]):
        first = left[0]
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
    return {Secret(rule, place) for rule, place in rows.values_list("rule", "place")}
