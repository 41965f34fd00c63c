"""Reads settings from the environment; what is wrong there becomes a system check, no traceback."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from string import Formatter
from typing import Any, Final
from urllib.parse import urlsplit

import dj_database_url

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
HOST: Final = re.compile(r"\*|\.?[^\s*:/?#@\[\]]+|\[[0-9A-Fa-f:.]+\]")
ORIGIN: Final = re.compile(r"https?://([^\s:/?#@\[\]]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Problem:
    """One environment variable that cannot be used, and what to set instead."""

    id: str
    message: str


@dataclass(slots=True)
class Environment:
    """The process's environment variables, typed; problems are gathered for `manage.py check`."""

    variables: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    problems: list[Problem] = field(default_factory=list)

    def _wrong(self, id_: str, message: str) -> None:
        self.problems.append(Problem(f"statestore.{id_}", message))

    def text(self, name: str, default: str = "") -> str:
        """A string; an empty variable counts as not set."""
        return self.variables.get(name) or default

    def words(self, name: str, default: str = "") -> list[str]:
        """Words separated by commas."""
        return [word.strip() for word in self.text(name, default).split(",") if word.strip()]

    def level(self, name: str, default: str) -> str:
        """A level of logging."""
        text = self.text(name, default).upper()
        text = "WARNING" if text == "WARN" else text
        if text not in LEVELS:
            self._wrong(
                "E008",
                f"{name}={text!r} is no level of logging: set it to {', '.join(LEVELS[:-1])}"
                f" or {LEVELS[-1]}.",
            )
            return default
        return text

    def hosts(self, name: str, default: str) -> list[str]:
        """Host names, as a request names them; `.example.com` is all below it."""
        words = self.words(name, default)
        for word in words:
            if not HOST.fullmatch(word):
                self._wrong(
                    "E009",
                    f"{name} has {word!r}, which is no host name: set it to names such as"
                    " state.example.com, without scheme, port and path, separated by commas.",
                )
        return words

    def origins(self, name: str) -> list[str]:
        """Origins: scheme and host, and a port where it is not the usual one."""
        words = self.words(name)
        right = [word for word in words if ORIGIN.fullmatch(word)]
        for word in words:
            if word not in right:
                self._wrong(
                    "E010",
                    f"{name} has {word!r}, which is no origin: set it to origins such as"
                    " https://state.example.com, separated by commas.",
                )
        return right

    def flag(self, name: str, *, default: bool) -> bool:
        """True or false, in the usual words."""
        text = self.text(name, "true" if default else "false").lower()
        if text in {"1", "true", "yes", "on"}:
            return True
        if text not in {"0", "false", "no", "off"}:
            self._wrong(
                "E001", f"{name}={text!r} is neither true nor false: set it to true or false."
            )
            return default
        return False

    def number(self, name: str, default: int, *, least: int, most: int, unit: str) -> int:
        """A whole number of `unit` between `least` and `most`."""
        text = self.text(name, str(default))
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            self._wrong(
                "E002",
                f"{name}={text!r} cannot be used:"
                f" set it to a whole number of {unit}, {least} to {most}.",
            )
            return default
        return number

    def template(self, name: str, *, fields: tuple[str, ...]) -> str:
        """An address with fields in braces; empty: not set."""
        text = self.text(name)
        try:
            text.format(**dict.fromkeys(fields, ""))
            known = {field for _, field, _, _ in Formatter().parse(text) if field} <= set(fields)
        except (ValueError, LookupError, AttributeError):
            known = False
        if text and not (known and text.startswith(("https://", "http://"))):
            self._wrong(
                "E006",
                f"{name}={text!r} cannot be used: set it to an http(s) address with the fields"
                f" {', '.join(f'{{{field}}}' for field in fields)}.",
            )
            return ""
        return text

    def address(self, name: str) -> str:
        """The http(s) address of a server, with a path where it has one, and no / at its end."""
        text = self.text(name).rstrip("/")
        try:
            url = urlsplit(text)
            known = bool(url.scheme in {"https", "http"} and url.hostname and url.port != 0)
        except ValueError:
            known = False
        if text and (not known or url.query or url.fragment or url.username):
            self._wrong(
                "E007",
                f"{name} cannot be used: set it to the address that people open,"
                " https://state.example.com, without user, query and fragment.",
            )
            return ""
        return text

    def secret_key(self, name: str, *, file: Path, needed: bool) -> str:
        """The key that signs sessions and tokens: the variable, else the file of `make run`."""
        key = self.text(name)
        if not key and file.is_file():
            key = file.read_text().strip()
        if needed and len(key) < 50:
            self._wrong(
                "E003",
                f"{name} is not set, or has fewer than 50 characters: set it to a long random text,"
                " the same for every process, for instance from"
                """ python -c "import secrets; print(secrets.token_urlsafe(50))".""",
            )
        return key or "not-set-and-good-for-nothing-but-checks-and-tests-not-set"

    def database(self, name: str, default: str) -> dict[str, Any]:
        """A Django database from a URL: postgresql://… or sqlite:///path."""
        url = self.text(name, default)
        try:
            database = dict(dj_database_url.parse(url))
        except (ValueError, KeyError, dj_database_url.ParseError):
            database = {}
        engine = str(database.get("ENGINE", "")).rpartition(".")[2]
        if engine not in {"postgresql", "sqlite3"}:
            self._wrong(
                "E004",
                f"{name} names no database that Statestore can use: set it to"
                " postgresql://user:password@host/name or sqlite:///path/to/file"
                " (a password with special characters must be percent-encoded).",
            )
            return dict(dj_database_url.parse(default))
        if engine == "sqlite3":
            self._make_folder(name, Path(str(database["NAME"])).absolute().parent)
        return database

    def _make_folder(self, name: str, folder: Path) -> None:
        """The folder of a database file; SQLite makes the file alone."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self._wrong(
                "E004",
                f"{name}: the folder {folder} cannot be made ({error.strerror}): set it to"
                " sqlite:///path/to/file in another one, or STATESTORE_VAR_DIR to another one.",
            )

    def broker(self, name: str, default: str) -> str:
        """A Celery broker's URL."""
        url = self.text(name, default)
        scheme = url.partition("://")[0]
        if scheme not in {
            "filesystem",
            "redis",
            "rediss",
            "sentinel",
            "amqp",
            "amqps",
            "pyamqp",
            "memory",
            "sqs",
        }:
            self._wrong(
                "E005",
                f"{name} names no broker that Celery can use here: set it to redis://host/0, to"
                " amqp://user:password@host// or leave it out for the embedded one.",
            )
            return default
        return url
