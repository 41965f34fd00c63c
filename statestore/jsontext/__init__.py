"""JSON that comes back exactly as it went: text is kept as sent, and only strict JSON is let in.

Python's `json` accepts NaN, keeps the last of two equal keys and decodes lone surrogates;
PostgreSQL's `jsonb` reorders keys and refuses U+0000. So values are stored as the text that was
sent, once this package has found nothing in it that another JSON parser would refuse or read
otherwise (RFC 8259, RFC 7493).
"""

from statestore.jsontext.bodies import (
    decode,
    read_body,
    read_object,
    read_value,
)
from statestore.jsontext.merging import merge
from statestore.jsontext.mistakes import MalformedJSON, unknown_field
from statestore.jsontext.reading import Member, Reader
from statestore.jsontext.strict import MAX_DEPTH, MAX_DIGITS
from statestore.jsontext.writing import dumps

__all__ = [
    "MAX_DEPTH",
    "MAX_DIGITS",
    "MalformedJSON",
    "Member",
    "Reader",
    "decode",
    "dumps",
    "merge",
    "read_body",
    "read_object",
    "read_value",
    "unknown_field",
]
