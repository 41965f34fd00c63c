"""Names, ids and uris as they are drawn: a password in a URL is left out."""

import re
from typing import Final

# Also where it is encoded, as in the addresses and commands that a page tells.
_PASSWORD: Final = re.compile(
    r"((?::|%3A)(?://|%2F%2F)[^\s:/@%]*(?::|%3A))[^\s/]+(?=@|%40)", re.IGNORECASE
)


def without_passwords(text: object) -> str:
    """`postgres://app:***@db/orders`; other texts as they are."""
    return _PASSWORD.sub(r"\1***", str(text))
