"""Signatures of the Standard Webhooks specification 1.0: HMAC-SHA256 over id, time and body.

Receivers verify them with the specification's libraries, which exist for many languages.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from typing import Final

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - how the specification begins one
_SECRET_BYTES: Final = 32
_ID_BYTES: Final = 16


def new_secret() -> str:
    """A random secret, as receivers enter it into their library."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def new_message_id() -> str:
    """A name for what is sent, the same at every try."""
    return f"msg_{secrets.token_hex(_ID_BYTES)}"


def signed_headers(
    *, message_id: str, seconds: int, body: bytes, keys: Iterable[str]
) -> dict[str, str]:
    """The headers of one try, at so many seconds since 1970; without keys there is no signature.

    With two keys each signs: receivers may know the old one or the new one.
    """
    headers = {"webhook-id": message_id, "webhook-timestamp": str(seconds)}
    signed = b".".join((message_id.encode(), str(seconds).encode(), body))
    if signatures := [_signature(key, signed) for key in keys]:
        headers["webhook-signature"] = " ".join(signatures)
    return headers


def _signature(key: str, signed: bytes) -> str:
    secret = base64.b64decode(key.removeprefix(SECRET_PREFIX))
    digest = hmac.new(secret, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
