"""Does this value look like a secret: by its form, or by the name that it stands under.

What was found in a value is remembered, by the value's digest: pages show the same ones again and again.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

from django.utils.crypto import salted_hmac

from statestore.bounded import make_room
from statestore.jsontext import decode
from statestore.secret_forms import AUTHORIZATION, REFERENCE, forms_in

SHORTEST: Final = 4  # characters of what a name can make a secret
PLACE_MAX: Final = 500  # characters
NUMBER_MAX: Final = 10**40
REMEMBERED: Final = 20_000  # values


@dataclass(frozen=True, slots=True)
class Secret:
    """What looks like a secret: why, and where in the value (`/config/password`; empty: all of it)."""

    rule: str
    place: str
    digest: str = ""
    """Keyed, of what has the form of one, or of all that stands there where its name makes it one; empty:
    of whatever does."""

    def is_among(self, judged: Collection["Secret"]) -> bool:
        """Whether it is one of these."""
        return self in judged or replace(self, digest="") in judged


def fingerprint(found: Iterable[Secret], entry: tuple[bool, int]) -> str:
    """The same for the same secrets of an entry (whether of an asset, and its number), and of no other one:
    nobody learns what is hidden in it by writing guesses elsewhere."""
    each = sorted(f"{secret.rule}\n{secret.place}\n{secret.digest}" for secret in found)
    return _digest("\n".join([repr(entry), *each]))


def judged_secrets(rule: str, place: str, digests: str) -> set[Secret]:
    """What was found to be none at a place."""
    return {Secret(rule, place, digest) for digest in digests.split() or [""]}


def secrets_in(key: str, value: Any) -> list[Secret]:
    """What looks like a secret in a decoded value, and under this key."""
    found = {
        Secret(rule, leaf.place[:PLACE_MAX], _digest(what))
        for leaf in _leaves(value, key)
        for rule, what in _rules(leaf)
    }
    return sorted(found, key=lambda secret: (secret.place, secret.rule))


def _digest(value: str | int) -> str:
    """With the server's key, so that nobody who reads the database can try passwords."""
    return salted_hmac("statestore.secrets_scan", str(value), algorithm="sha256").hexdigest()[:32]


_seen: dict[tuple[str, bytes], tuple[Secret, ...]] = {}


def secrets_in_text(key: str, text: str) -> tuple[Secret, ...]:
    """The same of a value that is JSON text, from memory where it has been looked at before."""
    name = key, blake2b(text.encode(), digest_size=16).digest()
    found = _seen.get(name)
    if found is None:
        make_room(_seen, REMEMBERED)
        found = _seen[name] = tuple(secrets_in(key, decode(text)))
    return found


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A string or a whole number of a value."""

    place: str
    name: str
    """The last two names that it stands under."""
    among: str
    """`passwords` or `tokens`, where it stands anywhere under such a name."""
    value: str | int

    def is_named_a_secret(self) -> bool:
        """Whether the names make it a secret. Whole numbers are passwords, and tokens are counted."""
        if isinstance(self.value, int):
            named = _kind(self.name) == "password" or self.among == "passwords"
            return named and len(str(self.value)) >= SHORTEST
        if len(self.value) < SHORTEST or REFERENCE.match(self.value):
            return False
        if _PASS.search(self.name) and _MADE_UP.fullmatch(self.value):
            return True
        return bool(_kind(self.name) or (self.among and not _COUNT.fullmatch(self.value)))


def _rules(leaf: _Leaf) -> Iterator[tuple[str, str | int]]:
    """Each with what it is that looks like a secret."""
    if leaf.is_named_a_secret():
        yield "name of a secret", leaf.value
    text = leaf.value if isinstance(leaf.value, str) else ""
    if len(text) < 8:
        return
    if leaf.name.lower().endswith(" authorization") and _CREDENTIALS.match(text):
        yield AUTHORIZATION, text
    yield from forms_in(text)


def _leaves(value: Any, key: str) -> Iterator[_Leaf]:
    """What a value consists of, also where JSON stands in a string."""
    waiting: list[tuple[str, str, str, str, Any]] = [("", "", key, "", value)]
    while waiting:
        place, above, name, among, item = waiting.pop()
        if isinstance(item, str):
            yield _Leaf(place, f"{above} {name}", among or _many(f"{above} {name}"), item)
            item = _json_in(item)
        elif isinstance(item, int) and not isinstance(item, bool) and abs(item) < NUMBER_MAX:
            yield _Leaf(place, f"{above} {name}", among, item)
        if isinstance(item, dict):
            held = among or _many(f"{above} {name}")
            name = "user" if "pass" in item and _USERS & item.keys() else name
            waiting += [(f"{place}/{word}", name, word, held, part) for word, part in item.items()]
        elif isinstance(item, list):
            waiting += [(f"{place}/{n}", above, name, among, part) for n, part in enumerate(item)]


def _json_in(text: str) -> Any:
    """The object or array that a string is; else None."""
    if text.lstrip()[:1] not in {"{", "["}:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
# `db_pass` is a password; a first pass and tests that pass are none.
_LOGIN: Final = (
    r"password|passwd|pwd|passphrase"
    r"|(?:db|database|user|admin|root|login|auth|smtp|mail|ftp|sftp|ssh|ldap|proxy|redis|pg) pass"
)
_SECRET: Final = re.compile(
    rf"(?:^| )(?:(?P<password>{_LOGIN})|secret|token|credentials?|apikey|api key|access key"
    r"|private key|secret key|signing key|encryption key|account key|ssh key|pw)$"
)
# By itself a pass is rather a round; of a password it has the looks, or a user stands beside it.
_PASS: Final = re.compile(r"(?:^| )pass$", re.I)
_MADE_UP: Final = re.compile(r"(?!\d{4}-)(?=\S*\d)(?=\S*[a-zA-Z])\S{8,}")
_USERS: Final = frozenset({"user", "username", "login"})
# Which of several it is, or that it is the thing itself.
_WHICH: Final = re.compile(
    r"(?: (?:\d+|value|prod|production|stage|staging|test|dev|development|live|main|backup|default"
    r"|primary|secondary|old|new|current))+$"
)
_MANY: Final = re.compile(r"(?:^| )(passwords|tokens)$")
# Positions to go on from are called tokens too, and a reservation has one.
_HARMLESS: Final = re.compile(
    r"(?:page|next|prev|previous|continuation|continue|sync|resume|cursor|delta|change|submission"
    r"|fencing|idempotency|client|request|pagination|start|list|max|min|total|input|output|prompt"
    r"|completion|cached|stop) tokens?$"
)
_COUNT: Final = re.compile(r"[\d\s.,]+")
_CREDENTIALS: Final = re.compile(r"(?:bearer|basic|token)\s+[\w.~+/-]{8,}", re.I)


@lru_cache(maxsize=4096)
def _kind(name: str) -> str:
    """Of what kind of secret this is the name, `password` or `secret`; empty: of none."""
    words = _WHICH.sub("", _words(name))
    found = None if _HARMLESS.search(words) else _SECRET.search(words)
    return "" if found is None else "password" if found["password"] else "secret"


@lru_cache(maxsize=4096)
def _many(name: str) -> str:
    """Whether this names several: `passwords` or `tokens`; empty: neither."""
    words = _words(name)
    found = None if _HARMLESS.search(words) else _MANY.search(words)
    return "" if found is None else found[1]


def _words(name: str) -> str:
    return " ".join(word.lower() for word in _WORD.findall(name[-80:]))
