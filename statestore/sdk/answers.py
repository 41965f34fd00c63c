"""Answers are read here, by pure functions, and refusals become exceptions."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from statestore.protocol import ErrorCode
from statestore.sdk import errors
from statestore.sdk.records import Asset, Entry


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, as it was received; the names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


def read_entry(answer: Answer, key: str) -> Entry | None:
    """The entry, or None where there is none."""
    if answer.status == 404 and _code(answer) == ErrorCode.NOT_FOUND:
        return None
    body = read_json(answer)
    return _entry(body, key, version=read_version(answer))


def read_page(answer: Answer, after: str) -> list[Entry]:
    """A page of the entries behind a key."""
    body = read_json(answer)
    try:
        rows = body["task_state_store" if "task_state_store" in body else "asset_state_store"]
        entries = [_entry(row, row["key"]) for row in rows]
    except (KeyError, TypeError, ValueError):
        raise _not_ours(answer) from None
    if entries and entries[0].key <= after:
        raise errors.ServerError("The server gave the same page again: it is too old for this SDK.")
    return entries


def read_attempt(answer: Answer) -> int:
    """The number of the attempt that has started."""
    body = read_json(answer)
    try:
        return int(body["attempt"])
    except (KeyError, TypeError, ValueError):
        raise _not_ours(answer) from None


def read_version(answer: Answer) -> int | None:
    """The version in the ETag."""
    tag = answer.headers.get("etag", "").strip('"')
    return int(tag) if tag.isdecimal() else None


def read_done(answer: Answer) -> None:
    """Nothing, where the request was carried out."""
    if answer.status != 204:
        read_json(answer)
        raise _not_ours(answer)


def read_json(answer: Answer) -> Any:
    """The body of a success.

    Raises:
        StatestoreError: the server refused; the class says why.
    """
    if not 200 <= answer.status < 300:
        raise _refusal(answer)
    try:
        return json.loads(answer.content)
    except ValueError:
        raise _not_ours(answer) from None


def read_changed(answer: Answer) -> Any:
    """What a value has become."""
    body = read_json(answer)
    try:
        return body["value"]
    except (KeyError, TypeError):
        raise _not_ours(answer) from None


def read_batch(answer: Answer) -> list[dict[str, Any]]:
    """What each operation of a batch came to."""
    body = read_json(answer)
    try:
        return [dict(result) for result in body["results"]]
    except (KeyError, TypeError, ValueError):
        raise _not_ours(answer) from None


def read_token(answer: Answer) -> str:
    """A token that was made."""
    body = read_json(answer)
    try:
        return str(body["token"])
    except (KeyError, TypeError):
        raise _not_ours(answer) from None


def read_assets(answer: Answer) -> tuple[list[Asset], int]:
    """A page of assets, and how many there are in all."""
    body = read_json(answer)
    try:
        assets = [Asset(row["name"], row["uri"]) for row in body["assets"]]
        return assets, int(body["total_entries"])
    except (KeyError, TypeError, ValueError):
        raise _not_ours(answer) from None


def read_asset_id(answer: Answer) -> int:
    """The id of an asset."""
    body = read_json(answer)
    try:
        return int(body["id"])
    except (KeyError, TypeError, ValueError):
        raise _not_ours(answer) from None


def _entry(body: Any, key: str, version: int | None = None) -> Entry:
    try:
        expires_at = body.get("expires_at")
        return Entry(
            key=key,
            value=body["value"],
            updated_at=datetime.fromisoformat(body["updated_at"]),
            expires_at=None if expires_at is None else datetime.fromisoformat(expires_at),
            version=version,
        )
    except (KeyError, TypeError, ValueError):
        raise errors.ServerError(
            "The server's answer is no entry: is STATESTORE_URL right?"
        ) from None


_ERRORS: dict[str, type[errors.StatestoreError]] = {
    ErrorCode.NOT_AUTHENTICATED: errors.UnauthorizedError,
    ErrorCode.FORBIDDEN: errors.ForbiddenError,
    ErrorCode.HIDDEN: errors.ForbiddenError,
    ErrorCode.NOT_FOUND: errors.NotFoundError,
    ErrorCode.STALE_ATTEMPT: errors.StaleAttemptError,
    ErrorCode.NOT_A_NUMBER: errors.NotANumberError,
    ErrorCode.TOO_LARGE: errors.TooLargeError,
}


def _body(answer: Answer) -> dict[str, Any]:
    try:
        body = json.loads(answer.content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _code(answer: Answer) -> str:
    return str(_body(answer).get("code", ""))


def _refusal(answer: Answer) -> errors.StatestoreError:
    body = _body(answer)
    code, detail = str(body.get("code", "")), body.get("detail")
    if code == ErrorCode.PRECONDITION_FAILED:
        return errors.PreconditionFailedError(str(detail), body.get("version"))
    if code == ErrorCode.INVALID and isinstance(detail, list) and detail:
        problem = detail[0]
        loc = tuple(problem.get("loc", ()))
        if problem.get("type") == "value_too_large":
            return errors.TooLargeError(str(problem.get("msg")))
        return errors.InvalidValueError(f"{'.'.join(map(str, loc))}: {problem.get('msg')}", loc)
    if code in _ERRORS:
        return _ERRORS[code](str(detail))
    if code:
        return errors.ServerError(f"The server refused ({answer.status}, {code}): {detail}")
    return _not_ours(answer)


def _not_ours(answer: Answer) -> errors.ServerError:
    start = answer.content[:80].decode("utf-8", "replace")
    return errors.ServerError(
        f"An answer that is not Statestore's (status {answer.status}, {start!r}): is STATESTORE_URL right,"
        " and is there a proxy between?"
    )
