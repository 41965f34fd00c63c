"""The API's description: valid and complete."""

import json
import re
import subprocess
import sys
from io import StringIO

import jsonschema  # type: ignore[import-untyped]  # has no stubs here
import pytest
import yaml
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.test import Client

from statestore.api.openapi.generator import PREFIX, document, operation_name
from statestore.api.openapi.operations import OPERATIONS, TAGS
from statestore.api.openapi.shapes import ANSWER_EXAMPLES, BODY_EXAMPLES
from statestore.api.urls import urlpatterns
from statestore.swagger_ui import SwaggerUI
from tests.server import ROOT


def test_it_is_valid_openapi_3_1_and_nothing_is_warned_of() -> None:
    out = StringIO()
    call_command("spectacular", validate=True, fail_on_warn=True, stdout=out)
    assert yaml.safe_load(out.getvalue())["openapi"].startswith("3.1.")


def test_every_record_describes_a_route_and_every_route_has_one() -> None:
    described = {
        operation_name(method.upper(), path)
        for path, operations in document()["paths"].items()
        for method in operations
    }
    assert described == set(OPERATIONS)
    catch_all = 1
    task_and_asset_routes = {path for path in document()["paths"] if path.startswith(PREFIX)}
    assert len(task_and_asset_routes) == len(urlpatterns) - catch_all


def test_every_reference_leads_somewhere_and_every_component_is_used() -> None:
    text = json.dumps(document())
    referred = set(re.findall(r'"#/components/(\w+)/(\w+)"', text))
    components = document()["components"]
    held = {
        (kind, name) for kind in ("schemas", "parameters", "responses") for name in components[kind]
    }
    assert referred == held


def test_every_operation_has_a_summary_a_tag_and_an_id_of_its_own() -> None:
    operations = [row for rows in document()["paths"].values() for row in rows.values()]
    assert all(row["summary"] and row["tags"][0] in TAGS for row in operations)
    assert len({row["operationId"] for row in operations}) == len(operations)


@pytest.mark.parametrize("name", BODY_EXAMPLES)
def test_the_example_of_every_body_fits_its_schema(name: str) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", "components": document()["components"]}
    jsonschema.Draft202012Validator(schema).validate(BODY_EXAMPLES[name])


@pytest.mark.parametrize("name", ANSWER_EXAMPLES)
def test_the_example_of_every_answer_fits_its_schema(name: str) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", "components": document()["components"]}
    jsonschema.Draft202012Validator(schema).validate(ANSWER_EXAMPLES[name])


def test_every_operation_says_what_a_wrong_verb_and_an_unreadable_path_are_answered() -> None:
    for operations in document()["paths"].values():
        for operation in operations.values():
            assert {"400", "405"} <= set(operation["responses"])


@pytest.mark.parametrize(
    ("query", "accept", "expected"),
    [
        ("", None, "application/json"),
        ("", "*/*", "application/json"),
        ("", "text/html,*/*;q=0.8", "application/json"),
        ("", "application/yaml", "application/yaml"),
        ("", "application/vnd.oai.openapi;q=0.9, application/json;q=0.5", "application/yaml"),
        ("?format=yaml", "application/json", "application/yaml"),
        ("?format=json", "application/yaml", "application/json"),
    ],
)
def test_it_is_served_to_everyone_as_json_or_yaml(
    query: str, accept: str | None, expected: str
) -> None:
    headers = {} if accept is None else {"Accept": accept}
    response = Client().get(f"/api/v2/schema{query}", headers=headers)
    assert (response.status_code, response["Content-Type"]) == (200, expected)
    read = json.loads if expected.endswith("json") else yaml.safe_load
    assert read(response.content)["info"]["title"] == "Statestore"


def test_another_format_is_refused() -> None:
    response = Client().get("/api/v2/schema?format=xml")
    assert (response.status_code, response.json()["code"]) == (422, "invalid")


def test_serving_requests_does_not_make_the_description() -> None:
    script = """
import django; django.setup()
import statestore.api.urls
from statestore.api.openapi import generator
print(generator.document.cache_info().currsize)
"""
    ran = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.strip() == "0"


@pytest.mark.django_db
def test_the_page_has_the_banner_and_asks_for_no_credentials() -> None:
    response = Client().get("/api/v2/docs")
    assert response.status_code == 200
    assert "Values are stored unencrypted" in response.content.decode()


def test_of_swagger_ui_no_more_is_published_than_the_page_uses() -> None:
    published = [name for name, _storage in SwaggerUI().list([])]
    page = (ROOT / "templates/api/docs.html").read_text()
    used = re.findall(r'static "swagger-ui/([^"]+)"', page)
    assert sorted(published) == sorted([*used, "LICENSE"])
    assert all(finders.find(f"swagger-ui/{name}") for name in published)
    assert finders.find("swagger-ui/swagger-ui-bundle.js.map") is None
