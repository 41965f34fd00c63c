"""JSON that came as bytes, as a whole."""

import json
from typing import Any

from statestore.jsontext.mistakes import MalformedJSON
from statestore.jsontext.reading import Member, Reader
from statestore.protocol import InvalidInput, Place


def read_body(body: bytes, loc: Place = ("body",)) -> Reader:
    """A reader of what a request holds.

    Raises:
        MalformedJSON: the body is not in UTF-8.
        InvalidInput: it is empty.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise MalformedJSON(f"the body is not UTF-8: byte {error.start} is wrong") from None
    if not text.strip():
        raise InvalidInput(loc, "the body must be a JSON object, and is empty", "missing")
    return Reader(text)


def read_object(
    body: bytes, *, text_of: str = "value", loc: Place = ("body",)
) -> tuple[dict[str, Any], str]:
    """The members of a JSON object, and the text of one of them as it was sent ("": it is not there).

    Raises:
        MalformedJSON: the body is no JSON in UTF-8.
        InvalidInput: it is no object, or holds what strict JSON does not allow.
    """
    reader = read_body(body, loc)
    found = reader.record(loc, text_of=text_of)
    reader.end()
    return found


def read_value(body: bytes, *, loc: Place = ("body",)) -> Member:
    """One JSON value, with the text as it was sent.

    Raises:
        MalformedJSON: the body is no JSON in UTF-8.
        InvalidInput: it holds what strict JSON does not allow.
    """
    reader = read_body(body, loc)
    member = reader.member(loc)
    reader.end()
    return member


def decode(text: str) -> Any:
    """What stored JSON text means."""
    return json.loads(text)
