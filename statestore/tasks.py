"""Celery's doorway to the services: one line per task, no rules in it."""

from celery import shared_task

from statestore import services


@shared_task  # type: ignore[untyped-decorator]  # Celery has no types
def sweep_expired() -> int:
    """Delete expired entries; how many."""
    return services.sweep_expired().deleted
