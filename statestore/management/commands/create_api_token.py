"""Create an API token from a shell on the server."""

from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from statestore.access import Right, parse_rights
from statestore.origin import at_shell
from statestore.services import api_token_create

DAYS_MAX = 36500


class Command(BaseCommand):
    """Print the secret of a new token, and nothing else, to standard output."""

    help = "Create an API token and print it. It is shown this once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name, rights, reach and life of the token."""
        words = ",".join(Right)
        parser.add_argument("name", help="who will use it, for instance airflow-prod")
        parser.add_argument(
            "--rights", default="view,write,clear", help=f"some of {words} (default: %(default)s)"
        )
        parser.add_argument(
            "--dags", default="*", help="dags it may reach: sales_*,hr (default: all)"
        )
        parser.add_argument(
            "--assets", default="*", help="assets it may reach, by name (default: all)"
        )
        parser.add_argument("--owner", default="", help="who answers for it: a person or a team")
        parser.add_argument("--days", type=int, help="days until it expires (default: never)")

    @at_shell()
    def handle(self, *_: Any, **options: Any) -> None:
        """Create it."""
        try:
            rights = parse_rights(options["rights"].split(","))
        except ValueError as error:
            raise CommandError(
                f"{error}: --rights takes some of {', '.join(Right)}, separated by commas"
            ) from None
        if options["days"] is not None and not 1 <= options["days"] <= DAYS_MAX:
            raise CommandError(f"--days must be between 1 and {DAYS_MAX}")
        expires_at = options["days"] and datetime.now(UTC) + timedelta(days=options["days"])
        try:
            _token, secret = api_token_create(
                name=options["name"],
                rights=rights,
                dag_patterns=options["dags"],
                asset_patterns=options["assets"],
                owner=options["owner"],
                expires_at=expires_at,
            )
        except ValidationError as error:
            problems = error.message_dict.items()
            raise CommandError(
                "; ".join(f"{name}: {' '.join(told)}" for name, told in problems)
            ) from None
        self.stdout.write(secret)
