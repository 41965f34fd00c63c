"""List the API tokens from a shell on the server."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand

from statestore.queries import TokenInfo, api_tokens

HEADER = (
    "ID",
    "PREFIX",
    "NAME",
    "OWNER",
    "STATE",
    "RIGHTS",
    "DAGS",
    "ASSETS",
    "EXPIRES",
    "LAST USED",
)


class Command(BaseCommand):
    """One line for each token; secrets are kept nowhere, so none is shown."""

    help = "List the API tokens: what they may do, until when, and when they were last used."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which of them."""
        parser.add_argument(
            "--valid", action="store_true", help="leave out revoked and expired ones"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Print a table."""
        found = [row for row in api_tokens() if row.state == "valid" or not options["valid"]]
        lines = [HEADER, *map(_cells, found)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        for line in lines:
            cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            self.stdout.write("  ".join(cells).rstrip())


def _cells(row: TokenInfo) -> tuple[str, ...]:
    return (
        str(row.id), f"{row.prefix}…", row.name, row.owner or "-", row.state, row.rights,
        row.dag_patterns or "-", row.asset_patterns or "-",
        _time(row.expires_at), _time(row.last_used_at),
    )  # fmt: skip


def _time(time: datetime | None) -> str:
    return "never" if time is None else f"{time:%Y-%m-%d %H:%M}"
