"""Delete expired entries now, or show what would go."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from statestore.origin import at_shell
from statestore.queries import expired_count, expired_oldest, left_over
from statestore.services import sweep_expired

SHOWN = 100
COUNTED = 1_000_000


class Command(BaseCommand):
    """What beat does every minute, by hand."""

    help = "Delete expired entries. Readers do not see them already; this frees their space."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whether to delete."""
        parser.add_argument(
            "--dry-run", action="store_true", help="show what would be deleted, and delete nothing"
        )

    @at_shell()
    def handle(self, *_: Any, **options: Any) -> None:
        """Sweep, or show."""
        if options["dry_run"]:
            self._show()
            return
        run = sweep_expired()
        left = f"; {left_over(run)} are left for the next run" if run.overdue else ""
        self.stdout.write(f"Deleted {_entries(run.deleted)} in {run.seconds:.2f} s{left}.")

    def _show(self) -> None:
        for entry in expired_oldest(limit=SHOWN):
            self.stdout.write(f"{entry.expires_at:%Y-%m-%d %H:%M:%S}  {entry.scope}  {entry.key}")
        count = expired_count(at_most=COUNTED)
        if count > SHOWN:
            self.stdout.write(f"… and {count - SHOWN} more")
        self.stdout.write(f"{_entries(count)} would be deleted.")


def _entries(count: int) -> str:
    return f"{count} expired {'entry' if count == 1 else 'entries'}"
