"""Writing entries: versions, times, preconditions, and who wrote."""

from datetime import UTC, datetime, timedelta

import pytest

from statestore import queries
from statestore.errors import NotFoundError, PreconditionFailedError
from statestore.protocol import NEVER_EXPIRE, TaskScope
from statestore.services import Precondition, Writer, entry_delete, entry_patch, entry_set
from tests.storage import ME, expire, put

pytestmark = pytest.mark.django_db


def test_a_new_entry_comes_back_as_it_was_sent(scope: TaskScope) -> None:
    text = '{"b": 1.0,  "a": [1e2, "é\\u0000"]}'

    version = put(scope, "state", text)

    entry = queries.entry_get(scope=scope, key="state")
    assert (entry.value, entry.version, version, entry.writer) == (text, 1, 1, "tests")


def test_every_write_raises_the_version_by_one_and_keeps_the_creation_time(
    scope: TaskScope,
) -> None:
    versions = [put(scope, "page", str(page)) for page in range(3)]
    entry = queries.entry_get(scope=scope, key="page")

    assert versions == [1, 2, 3]
    assert entry.value == "2"
    assert entry.created_at < entry.updated_at


def test_two_keys_and_two_map_indices_are_kept_apart(scope: TaskScope) -> None:
    put(scope, "a", "1")
    put(scope, "b", "2")
    put(scope.at(0), "a", "3")

    assert [entry.value for entry in queries.entry_page(scope=scope).entries] == ["1", "2"]
    assert queries.entry_get(scope=scope.at(0), key="a").value == "3"


def test_keys_are_listed_by_code_point(scope: TaskScope) -> None:
    keys = ["b", "B", "a_1", "a-1", "é", "z", "10", "9"]
    for key in keys:
        put(scope, key, "1")

    assert [entry.key for entry in queries.entry_page(scope=scope).entries] == sorted(keys)


def test_pages_count_all_entries(scope: TaskScope) -> None:
    for number in range(5):
        put(scope, f"k{number}", "1")

    page = queries.entry_page(scope=scope, limit=2, offset=4)

    assert ([entry.key for entry in page.entries], page.total) == (["k4"], 5)
    assert queries.entry_page(scope=scope, limit=2, offset=9).total == 5
    assert queries.entry_page(scope=scope, limit=2).total == 5


def test_the_default_retention_is_thirty_days(scope: TaskScope) -> None:
    put(scope, "k", "1")
    entry = queries.entry_get(scope=scope, key="k")

    assert entry.expires_at == entry.updated_at + timedelta(days=30)


@pytest.mark.parametrize(
    ("expiry", "lives"),
    [(timedelta(minutes=5), timedelta(minutes=5)), (NEVER_EXPIRE, None)],
    ids=["a timedelta", "never"],
)
def test_a_retention_counts_from_the_write(
    scope: TaskScope, expiry: timedelta, lives: timedelta | None
) -> None:
    put(scope, "k", "1", expiry=expiry)
    entry = queries.entry_get(scope=scope, key="k")

    assert entry.expires_at == (lives and entry.updated_at + lives)


def test_a_write_with_another_retention_replaces_the_expiry(scope: TaskScope) -> None:
    put(scope, "k", "1", expiry=timedelta(minutes=5))
    put(scope, "k", "2", expiry=NEVER_EXPIRE)

    assert queries.entry_get(scope=scope, key="k").expires_at is None


def test_patch_changes_the_value_and_keeps_the_expiry(scope: TaskScope) -> None:
    end = datetime.now(UTC) + timedelta(hours=1)
    put(scope, "k", "1", expiry=end)

    version = entry_patch(scope=scope, key="k", value="2", decoded=2, writer=Writer("other"))

    entry = queries.entry_get(scope=scope, key="k")
    assert (entry.value, entry.version, entry.writer) == ("2", version, "other")
    assert entry.expires_at == end


def test_patch_of_a_missing_entry_creates_nothing(scope: TaskScope) -> None:
    with pytest.raises(NotFoundError):
        entry_patch(scope=scope, key="k", value="2", decoded=2, writer=ME)

    assert queries.entry_page(scope=scope).total == 0


def test_patch_does_not_revive_an_expired_entry(scope: TaskScope) -> None:
    put(scope, "k", "1")
    expire(scope, "k")

    with pytest.raises(NotFoundError):
        entry_patch(scope=scope, key="k", value="2", decoded=2, writer=ME)


def test_create_only_refuses_an_entry_that_exists_and_names_its_version(scope: TaskScope) -> None:
    put(scope, "k", "1")

    with pytest.raises(PreconditionFailedError) as refused:
        put(scope, "k", "2", precondition=Precondition(absent=True))

    assert refused.value.extra == {"version": 1}
    assert queries.entry_get(scope=scope, key="k").value == "1"


def test_create_only_takes_the_place_of_an_expired_entry(scope: TaskScope) -> None:
    put(scope, "k", "1")
    born = queries.entry_get(scope=scope, key="k").created_at
    expire(scope, "k")

    version = put(scope, "k", "2", precondition=Precondition(absent=True))

    entry = queries.entry_get(scope=scope, key="k")
    assert (entry.value, entry.version) == ("2", version)
    assert entry.created_at > born


def test_a_write_is_accepted_in_the_expected_version_alone(scope: TaskScope) -> None:
    put(scope, "k", "1")

    assert put(scope, "k", "2", precondition=Precondition(version=1)) == 2
    with pytest.raises(PreconditionFailedError) as refused:
        put(scope, "k", "3", precondition=Precondition(version=1))

    assert refused.value.extra == {"version": 2}
    assert queries.entry_get(scope=scope, key="k").value == "2"


def test_an_expected_version_of_a_missing_entry_is_refused(scope: TaskScope) -> None:
    with pytest.raises(PreconditionFailedError) as refused:
        put(scope, "k", "3", precondition=Precondition(version=1))

    assert refused.value.extra == {"version": None}


def test_delete_says_whether_there_was_an_entry(scope: TaskScope) -> None:
    put(scope, "k", "1")

    assert entry_delete(scope=scope, key="k", writer=ME) is True
    assert entry_delete(scope=scope, key="k", writer=ME) is False
    with pytest.raises(NotFoundError):
        queries.entry_get(scope=scope, key="k")


def test_delete_in_another_version_is_refused(scope: TaskScope) -> None:
    put(scope, "k", "1")

    with pytest.raises(PreconditionFailedError):
        entry_delete(scope=scope, key="k", writer=ME, precondition=Precondition(version=2))

    assert queries.entry_get(scope=scope, key="k").version == 1


def test_an_entry_written_after_its_deletion_starts_at_version_one(scope: TaskScope) -> None:
    put(scope, "k", "1")
    entry_delete(scope=scope, key="k", writer=ME)

    assert entry_set(scope=scope, key="k", value="1", decoded=1, writer=ME) == 1
