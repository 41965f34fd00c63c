"""What in a string has the form of a secret.

The forms (private keys, cloud keys, JWTs, tokens of well-known services, URLs with a password) are
those of bc-detect-secrets, the kept branch of detect-secrets, and below those that it does not know;
nothing is sent anywhere to be verified.
"""

import re
from base64 import b64decode
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any, Final

PIECE: Final = 10_000  # characters of a long string that are looked at at once
OVERLAP: Final = 4_000  # characters that two pieces share: a token as long as this is whole in one
PART: Final = 10  # characters of a match that are a secret by themselves
SHORT: Final = 200  # characters of a string that is remembered by itself
_PRIVATE_KEY: Final = "Private Key"
Found = tuple[str, str]


def forms_in(text: str) -> Iterator[Found]:
    """The rules of the forms that are found in a string, each with what matched."""
    # Progress that moves keeps most of its strings.
    for rule, what in _remembered(text) if len(text) <= SHORT else _in_pieces(text):
        # Of a private key the form is its beginning, in which many are alike.
        yield rule, text if rule == _PRIVATE_KEY else what


@lru_cache(maxsize=4096)
def _remembered(text: str) -> tuple[Found, ...]:
    return tuple(_in_piece(text))


def _in_pieces(text: str) -> Iterator[Found]:
    """The same of a long string, since the time that some forms take grows faster than the string."""
    for start in range(0, max(1, len(text) - OVERLAP), PIECE - OVERLAP):
        yield from _in_piece(text[start : start + PIECE])


def _in_piece(text: str) -> Iterator[Found]:
    for rule, form in _FORMS:
        for found in form.finditer(text):
            if not REFERENCE.match(found[1]):
                yield rule, found[0]
    rules = list(_TOKENS)
    for found in _ANY_TOKEN.finditer(text):
        yield rules[(found.lastindex or 1) - 1], found[0]
    for found in _OWN_TOKEN.finditer(text):
        yield "Statestore token", found[0]
    for found in _BASIC.finditer(text):
        if _is_user_with_password(found[1]):
            yield AUTHORIZATION, found[0]
    for plugin in _plugins():
        if not _is_harmless(plugin, text):
            yield from ((plugin.secret_type, what) for what in _matches(plugin, text))


def _matches(plugin: Any, text: str) -> Iterator[str]:
    """The secret where a form tells it from what stands around it, else the whole of what matched: a
    part that is short may be one that all such secrets share."""
    is_valid = getattr(plugin, "is_formally_valid", bool)
    for form in plugin.denylist:
        for found in form.finditer(text):
            if is_valid(found[0]):
                told = [part for part in found.groups() if part and len(part) >= PART]
                yield told[-1] if told else found[0]


REFERENCE: Final = re.compile(
    r"\s*(?:\{\{|\$\{|\$\(|<|\*{3}|arn:|vault:|secret:|secrets?/|env:|file:|op://"
    r"|ssh-\S+ AAAA|ecdsa-\S+ AAAA|(?:~|/etc|/run|/var|/home|/root|/opt)/)",
    re.I,
)
_OWN_TOKEN: Final = re.compile(r"\b(?:sst|stt|stu)_[A-Za-z0-9_-]{20,}")
_EXAMPLES: Final = ("example.com", "example.net", "example.org")
_HOST: Final = re.compile(r"://[^\s/]*@([\w.-]+)")
AUTHORIZATION: Final = "Authorization header"
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
    _PRIVATE_KEY: (
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
            r"((?=[\w.~+/-]{16}|[a-z.~+/-]*\d)[\w.~+/-]{8,}[^\s\"']*)",
            re.I,
        ),
    ),
)


def _is_harmless(plugin: Any, text: str) -> bool:
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
