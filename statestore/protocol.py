"""What server and SDK agree on: scopes, limits, error codes. Standard library only."""

import enum
import hashlib
import re
import unicodedata
from dataclasses import dataclass, replace
from typing import Final

KEY_MAX: Final = 512  # characters
ID_MAX: Final = 250  # characters
ASSET_NAME_MAX: Final = 1500  # characters of an asset's name, and of its uri
VALUE_MAX_BYTES: Final = 64 * 1024  # default of the setting STATESTORE_VALUE_MAX_BYTES
MAP_INDEX_NONE: Final = -1  # the map index of a task that is not mapped
MAP_INDEX_MAX: Final = 2**31 - 1
BATCH_MAX: Final = 1000  # operations
ATTEMPT_MAX: Final = 10**9 - 1
VERSION_MAX: Final = 10**18 - 1
ASSET_ID_MAX: Final = 10**18 - 1
RETENTION_MAX: Final = 100 * 366 * 86400  # seconds
TOKEN_ASSETS_MAX: Final = 20  # names in a task token
TOKEN_ASSETS_MAX_BYTES: Final = 2000  # of them all as JSON: a token travels in a header
WAIT_MAX: Final = 30  # seconds that a read waits for a newer version
AUDIT_REASON_MAX: Final = 500  # characters
PROGRESS_KEY: Final = "progress"
SUBMISSION_SUFFIX: Final = ".submission"  # of the key beside that of an external job's id
TASK_TOKEN_PREFIX: Final = "stt_"  # noqa: S105 - how a token begins that reaches one task alone

ATTEMPT_HEADER: Final = "Statestore-Attempt"
REASON_HEADER: Final = "Statestore-Reason"
WRITE_HEADER: Final = "Statestore-Write"
"""`SESSION-NUMBER`: a client's name for itself, and the number that it gives each of its writes."""
TIME_HEADER: Final = "Statestore-Time"
"""The server's clock, in every answer: seconds since 1970, with decimals."""
DEADLINE_HEADER: Final = "Statestore-Deadline"
"""Until when, by the server's clock, a request may begin to be carried out."""
LOCK_SECONDS: Final = 5
"""How long a request that has begun waits at most for another that holds what it needs."""


class ErrorCode(enum.StrEnum):
    """The stable word in the `code` of every refusal."""

    NOT_AUTHENTICATED = "not_authenticated"
    FORBIDDEN = "forbidden"
    HIDDEN = "hidden"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    MALFORMED_JSON = "malformed_json"
    MALFORMED_REQUEST = "malformed_request"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    TOO_LARGE = "too_large"
    INVALID = "invalid"
    STALE_ATTEMPT = "stale_attempt"
    NOT_A_NUMBER = "not_a_number"
    PRECONDITION_FAILED = "precondition_failed"
    TOO_LATE = "too_late"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


class _NeverExpire(enum.Enum):
    NEVER_EXPIRE = "never"

    def __repr__(self) -> str:
        return "NEVER_EXPIRE"


NEVER_EXPIRE: Final = _NeverExpire.NEVER_EXPIRE
"""The retention of an entry that lives until someone deletes it."""

NeverExpire = _NeverExpire


Place = tuple[str | int, ...]
"""Where something stands in what was sent: `("body", "value", "rows", 3)`."""


class InvalidInput(ValueError):  # noqa: N818 - an answer to the caller, in the errors of both sides
    """One thing in the caller's input is not allowed.

    `loc` is where (`("body", "value", "a", 3)`), `msg` what to do, `type` a stable word.
    """

    def __init__(
        self,
        loc: tuple[str | int, ...],
        msg: str,
        type: str,  # noqa: A002 - the wire's word
    ) -> None:
        super().__init__(msg)
        self.loc, self.msg, self.type = loc, msg, type


def names_digest(*names: str) -> bytes:
    """16 bytes that stand for names which hold no NUL."""
    return hashlib.blake2b("\0".join(names).encode(), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class TaskScope:
    """A task instance: the unit that keys belong to. All its attempts share one set of keys."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = MAP_INDEX_NONE

    @property
    def digest(self) -> bytes:
        """16 bytes that stand for the four ids: one short unique index, whatever their length."""
        return names_digest(self.dag_id, self.run_id, self.task_id, str(self.map_index))

    def at(self, map_index: int) -> "TaskScope":
        """The same task at another map index."""
        return replace(self, map_index=map_index)

    def __str__(self) -> str:
        mapped = "" if self.map_index == MAP_INDEX_NONE else f" [{self.map_index}]"
        return f"{self.dag_id} / {self.run_id} / {self.task_id}{mapped}"


@dataclass(frozen=True, slots=True)
class AssetScope:
    """A data set: keys that outlive runs, such as watermarks."""

    asset_id: int

    def __str__(self) -> str:
        return f"asset {self.asset_id}"


Scope = TaskScope | AssetScope


# An id must not hold the words that divide a URL path: web servers decode %2F before routing.
_PATH_WORDS: Final = ("/dagRuns/", "/taskInstances/", "/state-store/", "/attempts/")
_path_word = re.compile("|".join(_PATH_WORDS)).search


def check_scope(scope: TaskScope, *, where: Place = ("path",)) -> TaskScope:
    """Return the scope.

    Raises:
        InvalidInput: an id is empty, too long, or holds characters that it may not.
    """
    for name in ("dag_id", "run_id", "task_id"):
        text = _check_name(getattr(scope, name), (*where, name), ID_MAX)
        if _path_word(f"{text}/"):
            words = ", ".join(_PATH_WORDS)
            raise InvalidInput(
                (*where, name), f"{name} must not contain any of {words}", "string_pattern"
            )
    check_map_index(scope.map_index, where=where)
    return scope


def check_map_index(map_index: int, *, where: Place) -> int:
    """Return the map index: -1, or a place from 0 on.

    Raises:
        InvalidInput: it is neither.
    """
    if not isinstance(map_index, int) or isinstance(map_index, bool):
        raise InvalidInput((*where, "map_index"), "map_index must be an integer", "int_type")
    if map_index < MAP_INDEX_NONE:
        raise InvalidInput(
            (*where, "map_index"),
            "map_index must be greater than or equal to -1",
            "greater_than_equal",
        )
    if map_index > MAP_INDEX_MAX:
        raise InvalidInput(
            (*where, "map_index"), f"map_index must be at most {MAP_INDEX_MAX}", "less_than_equal"
        )
    return map_index


def check_key(key: str, *, where: Place = ("path",)) -> str:
    """Return the key: 1 to 512 characters, not `.` or `..`, no control characters.

    HTTP clients drop the path segments `.` and `..`: deleting such a key would become a clear. And in
    a path, a key with `state-store/` is not to be told from a key of a task whose id ends with that.

    Raises:
        InvalidInput: the key is none of that.
    """
    _check_name(key, (*where, "key"), KEY_MAX)
    if "/state-store/" in f"/{key}":
        raise InvalidInput(
            (*where, "key"), "key must not contain 'state-store/' as a part", "string_pattern"
        )
    return key


def check_asset_text(text: str, loc: Place) -> str:
    """Return the name or the uri of an asset: 1 to 1,500 characters, no control characters.

    Raises:
        InvalidInput: it is none of that.
    """
    return _check_name(text, loc, ASSET_NAME_MAX)


def _check_name(name: object, loc: Place, limit: int) -> str:
    what = loc[-1]
    if not isinstance(name, str):
        raise InvalidInput(loc, f"{what} must be a string", "string_type")
    if not name:
        raise InvalidInput(loc, f"{what} must not be empty", "string_too_short")
    if len(name) > limit:
        raise InvalidInput(loc, f"{what} must have at most {limit} characters", "string_too_long")
    if name in {".", ".."}:
        raise InvalidInput(loc, f"{what} must not be '.' or '..'", "string_pattern")
    if not name.isprintable():
        for character in name:
            if unicodedata.category(character) in {"Cc", "Cs"}:
                raise InvalidInput(
                    loc,
                    f"{what} must not contain control characters or lone surrogates"
                    f" (found U+{ord(character):04X})",
                    "string_pattern",
                )
    return name


class Status(enum.StrEnum):
    """What a task last reported of itself in the `status` of its progress."""

    NONE = ""
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


_STATUS_WORDS: Final = {
    "done": Status.DONE, "success": Status.DONE, "succeeded": Status.DONE,
    "completed": Status.DONE, "finished": Status.DONE,
    "failed": Status.FAILED, "error": Status.FAILED, "cancelled": Status.FAILED,
}  # fmt: skip


def progress_status(value: object) -> Status:
    """The status that a progress value reports; any other form says that the task runs."""
    if isinstance(value, dict):
        word = value.get("status")
        if isinstance(word, str):
            return _STATUS_WORDS.get(word.lower(), Status.RUNNING)
    return Status.RUNNING
