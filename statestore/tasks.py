"""Celery's doorway to the services: one line per task, no rules in it."""

from celery import shared_task

from statestore import services


@shared_task  # type: ignore[untyped-decorator]  # Celery has no types
def sweep_expired() -> int:
    """Delete expired entries; how many."""
    return services.sweep_expired().deleted


@shared_task  # type: ignore[untyped-decorator]  # Celery has no types
def scan_secrets() -> int:
    """Look for secrets in what was written since the last time; how many entries were looked at."""
    return services.scan_secrets()


@shared_task  # type: ignore[untyped-decorator]  # Celery has no types
def sweep_samples() -> int:
    """Delete samples of progress that are older than a day; how many."""
    return services.sweep_samples()


@shared_task  # type: ignore[untyped-decorator]  # Celery has no types
def sweep_versions(*place: int) -> int:
    """Delete versions of entries that are gone; how many. What takes long goes on behind other tasks."""
    deleted, rest = services.sweep_versions(*place)
    if rest:
        sweep_versions.delay(*rest)
    return deleted


@shared_task  # type: ignore[untyped-decorator]  # Celery has no types
def sweep_audit() -> int:
    """Delete what the audit need not keep any longer; how many entries."""
    return services.sweep_audit()


@shared_task  # type: ignore[untyped-decorator]  # Celery has no types
def find_incidents() -> int:
    """Look for what webhooks are told of; how many deliveries were written."""
    return services.find_incidents()


@shared_task  # type: ignore[untyped-decorator]  # Celery has no types
def send_webhooks() -> int:
    """Send the deliveries that are due; how many arrived."""
    return services.send_webhooks()


@shared_task  # type: ignore[untyped-decorator]  # Celery has no types
def sweep_webhooks() -> int:
    """Give up and delete old deliveries; how many were deleted."""
    return services.sweep_webhooks()
