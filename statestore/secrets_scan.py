"""Does this value look like a secret: by its form, or by the name that it stands under.

The forms (private keys, cloud keys, JWTs, tokens of well-known services, URLs with a password) are
those of bc-detect-secrets, the kept branch of detect-secrets; nothing is sent anywhere to be verified.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final

STRINGS_MAX: Final = 5000  # of one value; what comes after them is not looked at
STRING_MAX: Final = 20_000  # characters of one string
SHORTEST: Final = 4  # characters of what a name can make a secret
PLACE_MAX: Final = 500  # characters


@dataclass(frozen=True, slots=True)
class Secret:
    """What looks like a secret: why, and where in the value (`/config/password`; empty: all of it)."""

    rule: str
    place: str


def secrets_in(key: str, value: Any) -> list[Secret]:
    """What looks like a secret in a decoded value, and under this key."""
    found = {
        Secret(rule, place[:PLACE_MAX])
        for place, name, text in _strings(value, key)
        for rule in _rules(name, text[:STRING_MAX])
    }
    return sorted(found, key=lambda secret: (secret.place, secret.rule))


def _rules(name: str, text: str) -> Iterator[str]:
    if _names_a_secret(name) and len(text) >= SHORTEST and not _REFERENCE.match(text):
        yield "name of a secret"
    if len(text) < 8:
        return
    if _OWN_TOKEN.search(text):
        yield "Statestore token"
    for plugin in _plugins():
        if next(iter(plugin.analyze_string(text)), None) and not _harmless(plugin, text):
            yield plugin.secret_type


def _strings(value: Any, key: str) -> Iterator[tuple[str, str, str]]:
    """Every string, with its place and the last two names that it stands under; at most so many."""
    waiting: list[tuple[str, str, str, Any]] = [("", "", key, value)]
    left = STRINGS_MAX
    while waiting and left:
        place, above, name, item = waiting.pop()
        if isinstance(item, str):
            left -= 1
            yield place, f"{above} {name}", item
        elif isinstance(item, dict):
            waiting += [(f"{place}/{word}", name, word, part) for word, part in item.items()]
        elif isinstance(item, list):
            waiting += [(f"{place}/{n}", above, name, part) for n, part in enumerate(item)]


_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SECRET: Final = re.compile(
    r"(?:^| )(?:password|passwd|pwd|passphrase|secret|token|credentials?|apikey|api key|access key"
    r"|private key|secret key|signing key|encryption key)$"
)
# Positions to go on from are called tokens too, and a reservation has one.
_HARMLESS: Final = re.compile(
    r"(?:page|next|prev|previous|continuation|continue|sync|resume|cursor|delta|change|submission"
    r"|fencing|idempotency|client|request|pagination|start|list) token$"
)
_REFERENCE: Final = re.compile(
    r"\s*(?:\{\{|\$\{|\$\(|<|\*{3}|arn:|vault:|secret:|secrets?/|env:|file:|op://)", re.I
)
_OWN_TOKEN: Final = re.compile(r"\b(?:sst|stt|stu)_[A-Za-z0-9_-]{20,}")
_EXAMPLES: Final = ("example.com", "example.net", "example.org")


@lru_cache(maxsize=4096)
def _names_a_secret(name: str) -> bool:
    words = " ".join(word.lower() for word in _WORD.findall(name[-80:]))
    return bool(_SECRET.search(words)) and not _HARMLESS.search(words)


def _harmless(plugin: Any, text: str) -> bool:
    """URLs of documentation are no secrets."""
    return plugin.secret_type.startswith("Basic Auth") and any(
        example in text.lower() for example in _EXAMPLES
    )


@cache
def _plugins() -> tuple[Any, ...]:
    """Loaded at the first scan: a web process that refuses nothing never needs them."""
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
