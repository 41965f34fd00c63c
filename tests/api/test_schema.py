"""Schemathesis reads the API's description, and sends what it allows and what it does not.

Every answer must be one that is described; what is not allowed must be refused; nothing may fail.
STATESTORE_FUZZ_EXAMPLES=10000 sends about as many generated requests as that; a normal run sends a
few hundred, always the same ones.
"""

import os
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case, GenerationMode
from schemathesis.config import SchemathesisConfig

from statestore.api.openapi.generator import document, operation_name
from statestore.api.openapi.operations import OPERATIONS
from statestore.protocol import DEADLINE_HEADER, WRITE_HEADER
from tests.server import Server, database_for, environment_for

EXAMPLES = int(os.environ.get("STATESTORE_FUZZ_EXAMPLES", "0"))
EACH = max(EXAMPLES // len(OPERATIONS), 5)

GOOD = ["2xx", "401", "403", "404", "409", "412"]
CONFIG = SchemathesisConfig.from_dict(
    {
        "checks": {"positive_data_acceptance": {"expected-statuses": GOOD}},
        "operations": [
            {  # a key may end with this word, and then has the verbs of any key
                "include-path-regex": "/increment$",
                "checks": {
                    "unsupported_method": {"enabled": False},
                    "allow_header_conformance": {"enabled": False},
                },
            },
            {  # only the server knows what a cursor looks like
                "include-path": "/api/v2/task-instances",
                "checks": {"positive_data_acceptance": {"expected-statuses": [*GOOD, "422"]}},
            },
        ],
    }
)
AnyCase = Case[Any]
UNKNOWN_HEADER = "x-schemathesis-unknown-property"
API = schemathesis.openapi.from_dict(document(), config=CONFIG)


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of its own, where many log-ins are let in."""
    directory = tmp_path_factory.mktemp("fuzzed")
    with database_for(f"test_statestore_{uuid.uuid4().hex[:12]}", directory) as url:
        environment = {**environment_for(directory, url), "STATESTORE_LOGIN_LIMIT": "10000"}
        server = Server(environment, directory / "server.log")
        server.start()
        try:
            yield server
        finally:
            server.stop()


def without_waiting(case: AnyCase) -> None:
    """Nobody waits for 30 seconds here."""
    query: Any = case.query
    if query and "wait" in query:
        query["wait"] = 0


def without_both_preconditions(case: AnyCase) -> None:
    """If-Match and If-None-Match exclude each other, which OpenAPI cannot say."""
    headers: Any = case.headers
    if headers and "If-Match" in headers and headers.get("If-None-Match") == "*":
        headers.pop("If-None-Match")


def with_a_valid_write(case: AnyCase) -> None:
    """Schemathesis calls `0` valid for a header whose pattern does not allow it."""
    headers: Any = case.headers
    valid = case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
    if valid and headers and headers.get(WRITE_HEADER) == "0":
        headers[WRITE_HEADER] = "a-1"
    if headers and re.fullmatch(r"[0-9][0-9.eE+-]*", str(headers.get(DEADLINE_HEADER))):
        headers[DEADLINE_HEADER] = "4102444800.25"  # one that has not passed


@API.parametrize()
@settings(
    max_examples=EACH,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@pytest.mark.timeout(3600 if EXAMPLES else 180)
def test_every_answer_is_one_that_is_described(case: AnyCase, fuzzed: Server) -> None:
    if UNKNOWN_HEADER in (case.headers or {}):
        return  # it holds them to be forbidden where another header is a number
    without_waiting(case)
    without_both_preconditions(case)
    with_a_valid_write(case)
    case.call_and_validate(base_url=fuzzed.url, headers={"Authorization": f"Bearer {fuzzed.token}"})


@API.parametrize()
@settings(
    max_examples=max(EACH // 10, 3),
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_without_credentials_nothing_but_the_open_paths_answers(
    case: AnyCase, fuzzed: Server
) -> None:
    response = case.call(base_url=fuzzed.url)
    described = OPERATIONS.get(operation_name(case.method, case.path))
    if described is None or described.open:  # None: a verb that the path does not have
        assert response.status_code < 500
    else:
        assert response.status_code == 401
