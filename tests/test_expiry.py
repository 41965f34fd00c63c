"""An entry whose time is over does not exist for any reader, at once, before any sweep."""

from datetime import UTC, datetime, timedelta

import pytest

from statestore import queries
from statestore.errors import NotFoundError
from statestore.protocol import TaskScope
from statestore.services import Precondition, entries_clear
from tests.storage import ME, expire, put, row_of

pytestmark = pytest.mark.django_db


def test_it_can_neither_be_read_nor_listed_nor_counted(scope: TaskScope) -> None:
    put(scope, "old", "1")
    put(scope, "new", "1")
    expire(scope, "old")

    with pytest.raises(NotFoundError):
        queries.entry_get(scope=scope, key="old")
    page = queries.entry_page(scope=scope, limit=1)
    assert ([entry.key for entry in page.entries], page.total) == (["new"], 1)
    assert row_of(scope, "old").count() == 1  # the sweep has not been here


def test_a_time_in_the_past_ends_it_with_the_write(scope: TaskScope) -> None:
    put(scope, "k", "1", expiry=datetime.now(UTC) - timedelta(seconds=1))

    assert queries.entry_page(scope=scope).total == 0


def test_it_ends_without_anyone_doing_anything(scope: TaskScope) -> None:
    put(scope, "k", "1", expiry=timedelta(microseconds=1))

    assert queries.entry_page(scope=scope).total == 0


def test_a_write_revives_it_with_a_new_creation_time(scope: TaskScope) -> None:
    put(scope, "k", "1")
    before = queries.entry_get(scope=scope, key="k")
    expire(scope, "k")

    put(scope, "k", "2")

    after = queries.entry_get(scope=scope, key="k")
    assert after.created_at == after.updated_at > before.created_at
    assert after.version > before.version  # an ETag is never used twice


def test_its_version_satisfies_no_precondition(scope: TaskScope) -> None:
    put(scope, "k", "1")
    expire(scope, "k")

    with pytest.raises(Exception, match="does not exist"):
        put(scope, "k", "2", precondition=Precondition(version=1))


def test_a_clear_takes_it_along(scope: TaskScope) -> None:
    put(scope, "k", "1")
    expire(scope, "k")

    entries_clear(scope=scope, writer=ME)

    assert row_of(scope, "k").count() == 0
