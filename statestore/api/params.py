"""What a request's path, query and headers mean; a refusal names the place."""

import re
import time
from functools import cache
from urllib.parse import unquote_to_bytes

from django.http import HttpRequest

from statestore.access import Principal
from statestore.errors import TooLateError
from statestore.protocol import (
    ATTEMPT_HEADER,
    AUDIT_REASON_MAX,
    BATCH_MAX,
    DEADLINE_HEADER,
    ID_MAX,
    MAP_INDEX_NONE,
    REASON_HEADER,
    TIME_HEADER,
    WRITE_HEADER,
    InvalidInput,
    TaskScope,
    check_map_index,
    check_scope,
    names_digest,
)
from statestore.queries import ASSET_ORDERS, WORDS_MAX, AssetQuery, TaskQuery, TaskState
from statestore.services import ALWAYS, Precondition

ALTERNATIVES_MAX = 50  # of one pattern


def scope_of(request: HttpRequest, dag_id: str, run_id: str, task_id: str) -> TaskScope:
    """The task instance that a path and its `map_index` name."""
    map_index = check_map_index(
        number(request, "map_index", default=MAP_INDEX_NONE), where=("query",)
    )
    return check_scope(TaskScope(dag_id, run_id, task_id, map_index))


def number(request: HttpRequest, name: str, *, default: int, least: int | None = None) -> int:
    """A whole number in the query string."""
    if not request.META.get("QUERY_STRING"):  # as most often; parsing nothing takes long
        return default
    digits = request.GET.get(name)
    if digits is None:
        return default
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", digits):
        raise InvalidInput(("query", name), f"{name} must be an integer", "int_parsing")
    if least is not None and int(digits) < least:
        raise InvalidInput(
            ("query", name),
            f"{name} must be greater than or equal to {least}",
            "greater_than_equal",
        )
    return int(digits)


def text(request: HttpRequest, name: str) -> str | None:
    """Text in the query string."""
    found = request.GET.get(name)
    if found is not None and "\0" in found:
        raise InvalidInput(("query", name), f"{name} must not contain U+0000", "string_pattern")
    return found


def flag(request: HttpRequest, name: str) -> bool:
    """True or false in the query string; false when it is left out."""
    word = request.GET.get(name, "false").lower()
    if word not in {"true", "false", "1", "0", "yes", "no", "on", "off"}:
        raise InvalidInput(("query", name), f"{name} must be true or false", "bool_parsing")
    return word in {"true", "1", "yes", "on"}


@cache
def _meta(name: str) -> str:
    return "HTTP_" + name.upper().replace("-", "_")


def header(request: HttpRequest, name: str) -> str | None:
    """A header, looked up without reading all others, as `request.headers` would."""
    found: str | None = request.META.get(_meta(name))
    return found


def attempt_of(request: HttpRequest) -> int | None:
    """The attempt that the writer says it is."""
    digits = header(request, ATTEMPT_HEADER)
    if digits is None:
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,8}", digits):
        raise InvalidInput(
            ("header", ATTEMPT_HEADER),
            f"{ATTEMPT_HEADER} must be a number from 1 on",
            "int_parsing",
        )
    return int(digits)


def reason_of(request: HttpRequest) -> str:
    """Why somebody does it, for the audit: UTF-8, in which any character may be percent-encoded."""
    sent = (header(request, REASON_HEADER) or "").encode("latin-1", "replace")
    reason = unquote_to_bytes(sent).decode(errors="replace")
    if len(reason) > AUDIT_REASON_MAX:
        most = f"{REASON_HEADER} may have at most {AUDIT_REASON_MAX} characters"
        raise InvalidInput(("header", REASON_HEADER), most, "string_too_long")
    if "\0" in reason:
        raise InvalidInput(
            ("header", REASON_HEADER), f"{REASON_HEADER} must not contain U+0000", "string_pattern"
        )
    return reason


def write_of(request: HttpRequest, principal: Principal) -> tuple[str | None, int | None]:
    """The client that numbers its writes, and the number of this one, with room for a batch.

    A name is that of one client of these credentials: nobody else's numbers may hold up its writes.
    """
    text = header(request, WRITE_HEADER)
    if text is None:
        return None, None
    write = re.fullmatch(r"([0-9A-Za-z]{1,16})-([0-9]{1,15})", text)
    if write is None:
        raise InvalidInput(
            ("header", WRITE_HEADER), f"{WRITE_HEADER} must be like 5f3a9c-17", "string_pattern"
        )
    session = names_digest(principal.origin, principal.name, write[1])[:8].hex()
    return session, int(write[2]) * BATCH_MAX


def refuse_late(request: HttpRequest) -> None:
    """Refuse what its sender has given up meanwhile, and perhaps sent again.

    Raises:
        TooLateError: its deadline has passed.
    """
    text = header(request, DEADLINE_HEADER)
    if text is None:
        return
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?", text):
        raise InvalidInput(
            ("header", DEADLINE_HEADER),
            f"{DEADLINE_HEADER} must be seconds since 1970, by the clock of {TIME_HEADER}",
            "float_parsing",
        )
    if time.time() > float(text):
        raise TooLateError


def precondition_of(request: HttpRequest) -> Precondition:
    """If-Match and If-None-Match (RFC 9110, section 13.1)."""
    match, none_match = header(request, "If-Match"), header(request, "If-None-Match")
    if match is not None and none_match is not None:
        raise InvalidInput(
            ("header", "If-Match"), "send If-Match or If-None-Match, not both", "value_error"
        )
    if none_match is not None:
        if none_match.strip() != "*":
            raise InvalidInput(
                ("header", "If-None-Match"), "If-None-Match must be *", "value_error"
            )
        return Precondition(absent=True)
    if match is None:
        return ALWAYS
    if match.strip() == "*":
        return Precondition(present=True)
    version = re.fullmatch(r'\s*"([1-9][0-9]{0,17})"\s*', match)
    if version is None:
        raise InvalidInput(
            ("header", "If-Match"),
            'If-Match must be * or one ETag, for instance "7"',
            "value_error",
        )
    return Precondition(version=int(version[1]))


def refuse_precondition(request: HttpRequest) -> None:
    """Refuse a precondition where nothing could check it."""
    for name in ("If-Match", "If-None-Match"):
        if header(request, name) is not None:
            raise InvalidInput(
                ("header", name), f"{name} is for reading and writing one key", "value_error"
            )


def refuse_attempt(request: HttpRequest) -> None:
    """Refuse an attempt where none is judged."""
    if header(request, ATTEMPT_HEADER) is not None:
        raise InvalidInput(
            ("header", ATTEMPT_HEADER), "an asset has no attempts", "extra_forbidden"
        )


def task_query(request: HttpRequest) -> TaskQuery:
    """Which task instances a search asks for."""
    status = request.GET.get("status")
    states = [state.value for state in TaskState]
    if status is not None and status not in states:
        raise InvalidInput(
            ("query", "status"), f"status must be one of {', '.join(states)}", "enum"
        )
    return TaskQuery(
        dag_id=text(request, "dag_id"),
        run_id=text(request, "run_id"),
        task_id=text(request, "task_id"),
        state=None if status is None else TaskState(status),
        words=_words(request),
    )


def _words(request: HttpRequest) -> tuple[str, ...]:
    words = tuple((text(request, "q") or "").split())
    if len(words) > WORDS_MAX:
        raise InvalidInput(("query", "q"), f"q may have at most {WORDS_MAX} words", "too_long")
    if any(len(word) > ID_MAX for word in words):
        long = f"a word of q may have at most {ID_MAX} characters, as an id"
        raise InvalidInput(("query", "q"), long, "string_too_long")
    return words


def asset_query(request: HttpRequest) -> AssetQuery:
    """Which assets a list asks for, and in which order."""
    orders = [
        word for words in request.GET.getlist("order_by") for word in words.split(",") if word
    ]
    for word in orders:
        if word.removeprefix("-") not in ASSET_ORDERS:
            known = ", ".join(ASSET_ORDERS)
            raise InvalidInput(("query", "order_by"), f"order_by must be some of {known}", "enum")
    flag(request, "only_active")  # all are
    return AssetQuery(
        names=_alternatives(request, "name_pattern"),
        uris=_alternatives(request, "uri_pattern"),
        name_beginnings=_beginnings(request, "name_prefix_pattern"),
        uri_beginnings=_beginnings(request, "uri_prefix_pattern"),
        dag_ids=tuple(request.GET.getlist("dag_ids")),
        order_by=tuple(orders),
    )


def _alternatives(request: HttpRequest, name: str) -> tuple[str, ...]:
    """What Airflow's patterns mean: `a|b` is a or b, and `~` is everything (no pattern at all)."""
    words = (text(request, name) or "").split("|")
    if len(words) > ALTERNATIVES_MAX:
        most = f"{name} may have at most {ALTERNATIVES_MAX} alternatives"
        raise InvalidInput(("query", name), most, "too_long")
    found = tuple(filter(None, map(str.strip, words) if len(words) > 1 else words))
    return () if "~" in found else found


def _beginnings(request: HttpRequest, name: str) -> tuple[str, ...]:
    """Airflow leaves out what is neither letter nor digit at the end: `s3://` begins as `s3` does."""
    found = tuple(map(_to_last_letter, _alternatives(request, name)))
    return () if "" in found else found


def _to_last_letter(word: str) -> str:
    end = next((end for end in range(len(word), 0, -1) if word[end - 1].isalnum()), 0)
    return word[:end]
