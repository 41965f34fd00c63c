"""With STATESTORE_REFUSE_SECRETS what looks like a secret is never stored."""

import json

import pytest
from pytest_django.fixtures import Settings

from statestore.models import Entry
from statestore.protocol import InvalidInput, TaskScope
from statestore.tasks import scan_secrets
from tests.api.conftest import Api, problem
from tests.storage import dismiss, put


@pytest.fixture(autouse=True)
def _refusing(settings: Settings) -> None:
    settings.STATESTORE_REFUSE_SECRETS = True


def test_a_put_answers_422_and_says_why_without_the_value(api: Api) -> None:
    answer = api.put("config", {"a": {"password": "correct horse"}})
    found = problem(answer)
    assert (found["loc"], found["type"]) == (["body", "value", "a", "password"], "secret")
    assert "store where the secret is kept" in found["msg"]
    assert "correct horse" not in answer.content.decode()
    assert api.keys() == []


def test_every_way_to_write_is_refused(api: Api, scope: TaskScope) -> None:
    api.put("config", {"a": 1})
    secret = json.dumps({"value": {"password": "correct horse"}}).encode()
    assert api.entry("PATCH", "config", secret).status_code == 422
    patch = b'{"password": "correct horse"}'
    merged = api.entry("PATCH", "config", patch, content_type="application/merge-patch+json")
    assert merged.status_code == 422
    with pytest.raises(InvalidInput):
        put(scope, "password", '"correct horse"')
    assert api.value("config") == {"a": 1}


def test_a_batch_that_holds_one_is_refused_whole_and_names_it(api: Api) -> None:
    scope = {"dag_id": "d", "run_id": "r", "task_id": "t"}
    secret = {"password": "correct horse"}
    for more in ({}, {"if_absent": True}):
        body = {
            "operations": [
                {"op": "set", **scope, "key": "page", "value": 1},
                {"op": "set", **scope, "key": "config", "value": secret, **more},
            ]
        }
        answer = api.send("POST", "/api/v2/state-store/batch", json.dumps(body).encode())
        assert (problem(answer)["type"], answer.json()["operation"]) == ("secret", 1)
        assert "correct horse" not in answer.content.decode()
    assert not Entry.objects.exists()


def test_what_is_no_secret_passes(api: Api) -> None:
    assert api.put("page", {"next_page_token": "CAUQAA"}).status_code == 204


def test_what_was_found_to_be_none_passes(api: Api, scope: TaskScope, settings: Settings) -> None:
    settings.STATESTORE_REFUSE_SECRETS = False
    api.put("config", {"password": "correct horse"})
    scan_secrets()
    dismiss(scope, "config")
    settings.STATESTORE_REFUSE_SECRETS = True
    assert api.put("config", {"password": "correct horse"}).status_code == 204
    assert api.put("config", {"password": "correct horse 2"}).status_code == 422
    assert api.put("config", {"api_key": "abcdef"}).status_code == 422


def test_a_false_alarm_in_a_message_passes_while_the_rest_moves(
    api: Api, scope: TaskScope, settings: Settings
) -> None:
    settings.STATESTORE_REFUSE_SECRETS = False
    message = "loaded {} rows from postgres://app:s3cretpw@db.internal/app"
    api.put("progress", {"message": message.format(1200)})
    scan_secrets()
    dismiss(scope, "progress")
    settings.STATESTORE_REFUSE_SECRETS = True
    assert api.put("progress", {"message": message.format(1300)}).status_code == 204
