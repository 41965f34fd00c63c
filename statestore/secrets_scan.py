"""Does this value look like a secret: by its form, or by the name that it stands under.

The forms (private keys, cloud keys, JWTs, tokens of well-known services, URLs with a password) are
those of bc-detect-secrets, the kept branch of detect-secrets, and below those that it does not know;
nothing is sent anywhere to be verified.
What was found in a value is remembered, by the value's digest: pages show the same ones again and again.
"""

import json
import re
from base64 import b64decode
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from hashlib import blake2b
from typing import Any, Final

from django.utils.crypto import salted_hmac

from statestore.bounded import make_room
from statestore.jsontext import decode

PIECE: Final = 10_000  # characters of a long string that are looked at at once
OVERLAP: Final = 4_000  # characters that two pieces share: a token as long as this is whole in one
SHORTEST: Final = 4  # characters of what a name can make a secret
PLACE_MAX: Final = 500  # characters
NUMBER_MAX: Final = 10**40
REMEMBERED: Final = 20_000  # values
SHORT: Final = 200  # characters of a string that is remembered by itself


@dataclass(frozen=True, slots=True)
class Secret:
    """What looks like a secret: why, and where in the value (`/config/password`; empty: all of it)."""

    rule: str
    place: str
    digest: str = ""
    """Keyed, of what stands there; empty: whatever does."""

    def is_among(self, judged: Collection["Secret"]) -> bool:
        """Whether it is one of these."""
        return self in judged or replace(self, digest="") in judged


def fingerprint(found: Iterable[Secret]) -> str:
    """The same for the same secrets, and tells nothing of them."""
    each = sorted(f"{secret.rule}\n{secret.place}\n{secret.digest}" for secret in found)
    return _digest("\n".join(each))


def judged_secrets(rule: str, place: str, digests: str) -> set[Secret]:
    """What was found to be none at a place."""
    return {Secret(rule, place, digest) for digest in digests.split() or [""]}


def secrets_in(key: str, value: Any) -> list[Secret]:
    """What looks like a secret in a decoded value, and under this key."""
    found = {
        Secret(rule, leaf.place[:PLACE_MAX], _digest(leaf.value))
        for leaf in _leaves(value, key)
        for rule in _rules(leaf)
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
        if len(self.value) < SHORTEST or _REFERENCE.match(self.value):
            return False
        if _PASS.search(self.name) and _MADE_UP.fullmatch(self.value):
            return True
        return bool(_kind(self.name) or (self.among and not _COUNT.fullmatch(self.value)))


def _rules(leaf: _Leaf) -> Iterator[str]:
    if leaf.is_named_a_secret():
        yield "name of a secret"
    text = leaf.value if isinstance(leaf.value, str) else ""
    if len(text) < 8:
        return
    if leaf.name.lower().endswith(" authorization") and _CREDENTIALS.match(text):
        yield AUTHORIZATION
    # Progress that moves keeps most of its strings.
    yield from _remembered(text) if len(text) <= SHORT else _forms_in_pieces(text)


@lru_cache(maxsize=4096)
def _remembered(text: str) -> tuple[str, ...]:
    return tuple(_forms_in(text))


def _forms_in_pieces(text: str) -> Iterator[str]:
    """The same of a long string, since the time that some forms take grows faster than the string."""
    for start in range(0, max(1, len(text) - OVERLAP), PIECE - OVERLAP):
        yield from _forms_in(text[start : start + PIECE])


def _forms_in(text: str) -> Iterator[str]:
    """The rules of the forms that are found in a string."""
    for rule, form in _FORMS:
        if any(not _REFERENCE.match(found[1]) for found in form.finditer(text)):
            yield rule
    rules = list(_TOKENS)
    yield from {
        rules[found.lastindex - 1] for found in _ANY_TOKEN.finditer(text) if found.lastindex
    }
    if _OWN_TOKEN.search(text):
        yield "Statestore token"
    if any(_is_user_with_password(found[1]) for found in _BASIC.finditer(text)):
        yield AUTHORIZATION
    for plugin in _plugins():
        if next(iter(plugin.analyze_string(text)), None) and not _harmless(plugin, text):
            yield plugin.secret_type


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
_REFERENCE: Final = re.compile(
    r"\s*(?:\{\{|\$\{|\$\(|<|\*{3}|arn:|vault:|secret:|secrets?/|env:|file:|op://"
    r"|ssh-\S+ AAAA|ecdsa-\S+ AAAA|(?:~|/etc|/run|/var|/home|/root|/opt)/)",
    re.I,
)
_OWN_TOKEN: Final = re.compile(r"\b(?:sst|stt|stu)_[A-Za-z0-9_-]{20,}")
_EXAMPLES: Final = ("example.com", "example.net", "example.org")
_HOST: Final = re.compile(r"://[^\s/]*@([\w.-]+)")
_COUNT: Final = re.compile(r"[\d\s.,]+")
AUTHORIZATION: Final = "Authorization header"
_CREDENTIALS: Final = re.compile(r"(?:bearer|basic|token)\s+[\w.~+/-]{8,}", re.I)
_BASIC: Final = re.compile(r"\bbasic +([A-Za-z0-9+/]{6,}={0,2})(?![\w+/=])", re.I)
# With the beginnings that are known, and lengths and alphabets that leave words alone.
_TOKENS: Final = {
    "GitHub Token": r"github_pat_\w{36,255}",
    "GitLab token": r"gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent|imt|oas)-[\w-]{20,}",
    "Google API key": r"AIza[\w-]{35}(?![\w-])",
    "OpenAI key": r"sk-(?:(?:proj|svcacct|admin)-[\w-]{20,}|[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20})",
    "Anthropic key": r"sk-ant-[\w-]{20,}",
    "PyPI token": r"pypi-AgE[\w-]{40,}",
    "Hugging Face token": r"(?:hf|api_org)_[A-Za-z0-9]{30,}",
    "Vault token": r"hv[sbr]\.[\w-]{24,}",
    "Databricks token": r"dapi[a-f0-9]{32}(?![a-f0-9])",
    "signed URL": r"(?:sig=[\w%+/-]{40,}|X-(?:Amz|Goog)-Signature=[a-fA-F0-9]{64,})",
    "Private Key": (
        r"(?:-----BEGIN (?:PGP PRIVATE KEY BLOCK|(?:[A-Z0-9]+ ){0,2}PRIVATE KEY)-----"
        r"(?:\\[nr]|\s)*(?:[A-Z][\w-]+: |[\w+/]{10})|PuTTY-User-Key-File-\d: )"
    ),
}
# Together, for each by itself costs as much as all.
_ANY_TOKEN: Final = re.compile(
    rf"(?<![A-Za-z0-9])(?:{'|'.join(f'({form})' for form in _TOKENS.values())})"
)
_FORMS: Final = (
    # A URL with a password and no user: what names a user too, Basic Auth finds.
    ("Basic Auth Credentials", re.compile(r"\b[a-z][a-z0-9+.-]{0,30}://:([^\s:/@]{3,})@", re.I)),
    (
        "connection string with a password",
        re.compile(
            r"(?<![a-z])(?:password|passwd|pwd)\s*="
            r"\s*(?!(?:true|false|none|null|required)\b)([^\s;&\"']{4,})",
            re.I,
        ),
    ),
    # Long, or with a digit: `Authorization: Bearer required` is prose.
    (
        AUTHORIZATION,
        re.compile(
            r"\bauthorization[\"']?\s*[:=]\s*[\"']?(?:bearer|basic|token)\s+"
            r"((?=[\w.~+/-]{16}|[a-z.~+/-]*\d)[\w.~+/-]{8,})",
            re.I,
        ),
    ),
)


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


def _harmless(plugin: Any, text: str) -> bool:
    """URLs of documentation are no secrets, where all that name a user are such."""
    if not plugin.secret_type.startswith("Basic Auth"):
        return False
    hosts = [found[1].lower() for found in _HOST.finditer(text)]
    return bool(hosts) and all(host.endswith(_EXAMPLES) for host in hosts)


def _is_user_with_password(text: str) -> bool:
    """Whether this is what a browser makes of them; `basic` is an English word too."""
    try:
        told = b64decode(text + "=" * (-len(text) % 4)).decode()
    except ValueError:
        return False
    return ":" in told and told.isprintable()


@cache
def _plugins() -> tuple[Any, ...]:
    """Loaded at the first look: most processes that look at no page never need them."""
    from detect_secrets.plugins import (  # noqa: PLC0415 - see above
        artifactory,
        aws,
        azure_storage_key,
        basic_auth,
        discord,
        github_token,
        jwt,
        mailchimp,
        npm,
        private_key,
        sendgrid,
        slack,
        square_oauth,
        stripe,
        twilio,
    )  # fmt: skip

    return (
        artifactory.ArtifactoryDetector(), aws.AWSKeyDetector(),
        azure_storage_key.AzureStorageKeyDetector(), basic_auth.BasicAuthDetector(),
        discord.DiscordBotTokenDetector(), github_token.GitHubTokenDetector(),
        jwt.JwtTokenDetector(), mailchimp.MailchimpDetector(), npm.NpmDetector(),
        private_key.PrivateKeyDetector(), sendgrid.SendGridDetector(), slack.SlackDetector(),
        square_oauth.SquareOAuthDetector(), stripe.StripeDetector(), twilio.TwilioKeyDetector(),
    )  # fmt: skip
