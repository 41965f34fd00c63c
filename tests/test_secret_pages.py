"""Pages of findings: each key once, and all of them, also where more places are found later."""

import pytest

from statestore.access import Grant, Principal, Right
from statestore.models import Entry, SecretFinding
from statestore.protocol import TaskScope
from statestore.queries import FindingFilter, finding_page
from tests.storage import put

ALL = Principal("tests", (Grant(frozenset(Right)),))
NAME, KEY_OF_AWS = "name of a secret", "AWS Access Key"


def found(scope: TaskScope, key: str, place: str, rule: str = NAME) -> None:
    if not Entry.objects.filter(key=key).exists():
        put(scope, key, "1")
    entry = Entry.objects.get(key=key)
    SecretFinding.objects.create(
        entry_id=entry.pk, owner_id=entry.task_instance_id, key=key, rule=rule, place=place
    )


def pages(where: FindingFilter | None = None) -> list[list[str]]:
    """The keys of all pages, one after another."""
    read, position = [], ""
    while True:
        page = finding_page(where=where or FindingFilter(), principal=ALL, position=position)
        read.append([finding.key for finding in page.findings])
        position = page.next_after
        if not position:
            return read


def names(*numbers: range) -> list[str]:
    return [f"k{number}" for part in numbers for number in reversed(part)]


@pytest.mark.django_db
def test_a_key_is_listed_by_the_newest_place_that_the_filter_matches(scope: TaskScope) -> None:
    found(scope, "both", "/a")
    for number in range(60):
        found(scope, f"k{number}", "/a")
    found(scope, "both", "/b", KEY_OF_AWS)
    whole = [*names(range(60)), "both"]
    assert pages(FindingFilter(rule="name")) == [whole[:50], whole[50:]]
    assert pages(FindingFilter(rule="aws")) == [["both"]]
    assert pages() == [["both", *names(range(11, 60))], names(range(11))]


@pytest.mark.django_db
def test_no_page_is_empty_since_others_have_shown_its_keys(scope: TaskScope) -> None:
    for place in ("/a", "/b"):
        for number in range(60):
            found(scope, f"k{number}", place)
    assert pages() == [names(range(10, 60)), names(range(10))]


@pytest.mark.django_db
def test_pages_that_end_before_they_are_full_list_each_key_once(
    scope: TaskScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("/a", "/b"):
        for number in range(60):
            found(scope, f"k{number}", place)
    monkeypatch.setattr("statestore.queries.findings._LOOKED_AT", 7)
    read = [key for page in pages() for key in page]
    assert read == names(range(60))
