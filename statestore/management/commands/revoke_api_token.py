"""Revoke an API token from a shell on the server."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from statestore.origin import at_shell
from statestore.queries import api_tokens_called
from statestore.services import api_token_revoke


class Command(BaseCommand):
    """Refuse a token from now on; other processes notice within seconds."""

    help = "Revoke an API token, by its ID or its first characters (list_api_tokens shows both)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which one."""
        parser.add_argument("token", help="its ID, its first characters, or the whole secret")

    @at_shell()
    def handle(self, *_: Any, **options: Any) -> None:
        """Revoke it."""
        found = api_tokens_called(options["token"])
        if not found:
            raise CommandError("There is no such token: list_api_tokens shows those there are.")
        if len(found) > 1:
            ids = ", ".join(str(row.id) for row in found)
            raise CommandError(f"Several tokens begin so: say which by its ID ({ids}).")
        (token,) = found
        if not api_token_revoke(token_id=token.id):
            raise CommandError(f"Token {token.id} ({token.name}) was revoked before.")
        self.stdout.write(f"Revoked token {token.id} ({token.name}, {token.prefix}…).")
