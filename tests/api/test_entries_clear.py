"""DELETE …/state-store."""

import pytest

from statestore.models import AuditEntry
from tests.api.conftest import Api, problem


@pytest.fixture
def mapped(api: Api) -> Api:
    """A task with keys at three map indices, beside another task of the run."""
    for map_index in (-1, 0, 1):
        for key in ("a", "b"):
            api.put(key, 1, map_index=map_index)
    return api


def counts(api: Api) -> list[int]:
    return [len(api.keys(map_index)) for map_index in (-1, 0, 1)]


def test_it_deletes_every_key_of_its_map_index(mapped: Api) -> None:
    response = mapped.collection("DELETE")
    assert (response.status_code, response.content) == (204, b"")
    assert counts(mapped) == [0, 2, 2]
    mapped.collection("DELETE", "?map_index=1")
    assert counts(mapped) == [0, 2, 0]


def test_all_map_indices_clears_them_all_and_ignores_map_index(mapped: Api) -> None:
    from dataclasses import replace

    other = mapped.at(scope=replace(mapped.scope, task_id="other"))
    other.put("kept", 1)
    assert mapped.collection("DELETE", "?all_map_indices=true&map_index=7").status_code == 204
    assert counts(mapped) == [0, 0, 0]
    assert other.keys() == ["kept"]


def test_false_is_false(mapped: Api) -> None:
    assert mapped.collection("DELETE", "?all_map_indices=false").status_code == 204
    assert counts(mapped) == [0, 2, 2]


def test_a_flag_that_is_none_is_422_and_deletes_nothing(mapped: Api) -> None:
    found = problem(mapped.collection("DELETE", "?all_map_indices=perhaps"))
    assert found["loc"] == ["query", "all_map_indices"]
    assert counts(mapped) == [2, 2, 2]


def test_an_unknown_task_instance_is_204(api: Api) -> None:
    assert api.collection("DELETE").status_code == 204
    assert api.collection("DELETE", "?all_map_indices=true").status_code == 204


def test_the_attempt_number_outlives_it(api: Api) -> None:
    assert api.start_attempt() == 1
    api.put("key", 1)
    api.collection("DELETE")
    assert api.start_attempt() == 2


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("the source was wrong", "the source was wrong"),
        ("Quelle kaputt: %C3%BC%20%E2%82%AC", "Quelle kaputt: ü €"),
        ("ü €".encode().decode("latin-1"), "ü €"),
        ("", ""),
    ],
)
def test_the_reason_is_in_the_audit(mapped: Api, sent: str, kept: str) -> None:
    assert mapped.collection("DELETE", Statestore_Reason=sent).status_code == 204
    assert AuditEntry.objects.get(action="cleared").reason == kept


@pytest.mark.parametrize("reason", ["x" * 501, "%00"])
def test_a_reason_that_cannot_be_kept_is_422(mapped: Api, reason: str) -> None:
    found = problem(mapped.collection("DELETE", Statestore_Reason=reason))
    assert found["loc"] == ["header", "Statestore-Reason"]
    assert counts(mapped) == [2, 2, 2]
