"""Requests that are wrong by chance: never a 5xx, nothing stored of what was refused, all else readable.

STATESTORE_FUZZ=10000 sends so many (default 1,600); a failure names the seed that sends it again.
"""

import json
import math
import os
import random
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection

from statestore.jsontext import read_object
from statestore.models import AssetEntry, Entry
from statestore.protocol import WRITE_HEADER
from tests.api.conftest import JSON, Answer, Api, value_text

REQUESTS = int(os.environ.get("STATESTORE_FUZZ", "1600"))
SEEDS = 8

NAMES = [
    "key", "a/b", "a%2Fb", "..", ".", "", "%", "🦆", "e\u0301", "\u202e", "\u2028", "x" * 250, "x" * 513,
    "a\0b", "a\nb", "state-store",
    "x/state-store", "x/attempts", "increment", "x/increment", "/", "//",
    "/dagRuns/", "progress", "*", "'; --", "\\", '"', "\ufffd", "\uffff", "-1", "null",
]  # fmt: skip
NUMBERS = [
    "0", "-1", "-2", "1", "00", "+5", "2147483647", "2147483648", "9" * 18, "9" * 19, "9" * 400, "1e3",
    "1.5", "", " 1", "0x1", "١", "NaN", "true", "\0", "a" * 3000,
]  # fmt: skip
VALUES = [
    "1", "-0", "1.10", "1e308", "1e309", "1e-999", "9" * 4300, "9" * 4301, "NaN", "Infinity", "-Infinity",
    "1" * 251 + "e99", "9" * 295 + "e20", "-" + "1" * 210 + ".5e99", "[1e308,%s]" % ("7" * 290 + "E+99"),
    "null", "true", '""', '"\\u0000"', '"\\ud800"', '"\\ud83e\\udd86"', '"\U0001f986"', '"\x7f"', '"\x01"',
    "[]", "{}", '{"":""}', '{"a":1,"a":2}', '{"a":{"b":[1,{"c":null}]}}', "[" * 400 + "]" * 400,
    "[" * 600 + "]" * 600, "[" * 100_000, '{"a":' * 300 + "1" + "}" * 300, '"' + "x" * 65_000 + '"',
    '"' + "x" * 66_000 + '"', '"' + "é" * 33_000 + '"', "01", "+1", ".5", "1.", "'a'", "[1,]", "{,}",
    "\ufeff1",
    '{"status":"done"}', '{"status":["x"]}', '{"current":1,"total":0}', "tru", '"\\x"', "1 2", "",
]  # fmt: skip
TIMES = [
    '"default"', "null", '"2099-01-01T00:00:00Z"', '"2099-01-01T00:00:00"', '"0001-01-01T00:00:00+14:00"',
    '"9999-12-31T23:59:59.999999-14:00"', '"9999-12-31T23:59:59.999999Z"', '"0001-01-01T00:00:00Z"',
    '"2099-02-30T00:00:00Z"', '"2099-01-01"', "5", "[]", '""', '"2020-01-01T00:00:00Z"',
    '"1969-07-20T20:17Z"',
]  # fmt: skip
HEADERS = {
    "If-Match": ['"1"', "*", "1", 'W/"1"', '"0"', '"' + "9" * 30 + '"', '"1","2"', "", '"x"'],
    "If-None-Match": ["*", '"1"', ""],
    "Statestore-Attempt": ["1", "0", "-1", "9" * 9, "9" * 30, "x", "", "1.0"],
    "Statestore-Write": [
        "a-1",
        "a-2",
        "a-" + "9" * 15,
        "a-" + "9" * 16,
        "a-",
        "-1",
        "a",
        "é-1",
        "x" * 17 + "-1",
        "",
    ],
    "Content-Length": ["0", "1", "-1", "x", "99999999999", ""],
    "X-HTTP-Method-Override": ["DELETE"],
    "Accept": ["text/html", "application/xml", "*/*;q=x"],
    "Content-Encoding": ["gzip"],
}
TYPES = [
    JSON,
    "application/merge-patch+json",
    "text/plain",
    "application/json; charset=utf-16",
    "",
    "é",
    "x" * 300,
]


@dataclass
class Sent:
    """A request, so far."""

    method: str
    path: list[str]
    body: bytes = b""
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    type: str = JSON

    @property
    def url(self) -> str:
        parts = (quote(part, safe="") for part in self.path)
        query = "&".join(f"{quote(n)}={quote(v)}" for n, v in self.query.items())
        return f"/api/v2/{'/'.join(parts)}{'?' + query if query else ''}"


def valid(chance: random.Random, api: Api, asset: int) -> Sent:
    """A request that would be let in."""
    scope, key = api.scope, chance.choice(["key", "a/b", "🦆", "progress", "n"])
    ids = {"dag_id": scope.dag_id, "run_id": scope.run_id, "task_id": scope.task_id}
    task = [
        "dags",
        scope.dag_id,
        "dagRuns",
        scope.run_id,
        "taskInstances",
        scope.task_id,
        "state-store",
    ]
    base = chance.choice([task, task, ["assets", str(asset), "state-store"]])
    put = f'{{"value": {chance.choice(VALUES)}}}'
    if base is task and chance.random() < 0.4:
        put = put[:-1] + f', "expires_at": {chance.choice(TIMES)}}}'
    operations = [
        {"op": chance.choice(["get", "set", "delete"]), **ids, "key": key, "value": 1}
        for _ in range(3)
    ]
    for operation in operations:
        if operation["op"] != "set":
            del operation["value"]
    bodies: list[tuple[str, list[str], Any]] = [
        ("PUT", [*base, key], put),
        ("PUT", [*base, key], put),
        ("PUT", [*base, key], put),
        ("PATCH", [*task, key], put),
        ("GET", [*base, key], ""),
        ("DELETE", [*base, key], ""),
        ("GET", base, ""),
        ("DELETE", base, ""),
        ("POST", [*base, "n", "increment"], {"by": 1}),
        ("POST", [*task[:-1], "attempts"], ""),
        ("POST", ["state-store", "batch"], {"operations": operations}),
        ("GET", ["task-instances"], ""),
        ("GET", ["assets"], ""),
        ("GET", ["assets", str(asset)], ""),
        ("POST", ["assets"], {"name": "orders", "uri": "s3://orders"}),
        ("POST", ["task-tokens"], ids),
        ("POST", ["auth", "token"], {"username": "ann", "password": "x"}),
        ("GET", ["readyz"], ""),
        ("GET", ["metrics"], ""),
        ("GET", ["schema"], ""),
    ]
    method, path, body = chance.choice(bodies)
    text = body if isinstance(body, str) else json.dumps(body)
    sent = Sent(method, path, text.encode(errors="surrogatepass"))
    if method == "PATCH" and chance.random() < 0.5:
        sent.type = "application/merge-patch+json"
    return sent


QUERIES = (
    "map_index", "limit", "offset", "all_map_indices", "newer_than", "q", "dag_id", "run_id", "task_id",
    "status", "cursor", "name_pattern", "uri_pattern", "name_prefix_pattern", "order_by", "nosuch",
)  # fmt: skip


def spoil(chance: random.Random, sent: Sent) -> None:
    """Change one thing."""
    match chance.randrange(8):
        case 0:
            sent.path[chance.randrange(len(sent.path))] = chance.choice(NAMES)
        case 1:
            sent.path.insert(chance.randrange(len(sent.path) + 1), chance.choice(NAMES))
        case 2:
            sent.query[chance.choice(QUERIES)] = chance.choice([*NUMBERS, *NAMES])
        case 3:
            name = chance.choice(list(HEADERS))
            sent.headers[name] = chance.choice(HEADERS[name])
        case 4:
            sent.body = spoiled(chance, sent.body)
        case 5:
            text = sent.body.decode(errors="replace")
            old = chance.choice(
                ["1", '"key"', '"orders"', '"set"', '"value"', '"by"', '"get"', ":", "{"]
            )
            new = chance.choice([*VALUES, json.dumps(chance.choice(NAMES))])
            sent.body = text.replace(old, new, 1).encode(errors="replace")
        case 6:
            sent.type = chance.choice(TYPES)
        case _:
            sent.method = chance.choice(
                ["GET", "PUT", "PATCH", "DELETE", "POST", "HEAD", "OPTIONS", "TRACE", "X"]
            )


def spoiled(chance: random.Random, body: bytes) -> bytes:
    """A few bytes changed, taken or put."""
    data = bytearray(body)
    for _ in range(chance.randint(1, 4)):
        place = chance.randint(0, len(data))
        put = bytes(chance.randrange(256) for _ in range(chance.randint(0, 3)))
        data[place : place + chance.randint(0, 3)] = put
    return bytes(data)


STORED = """
SELECT count(*), sum(version), max(updated_at) FROM statestore_entry
UNION ALL SELECT count(*), sum(version), max(updated_at) FROM statestore_assetentry
UNION ALL SELECT count(*), sum(attempt), NULL FROM statestore_taskinstance
UNION ALL SELECT count(*), 0, NULL FROM statestore_asset
"""


def stored() -> list[Any]:
    """Changes with everything that is written."""
    with connection.cursor() as cursor:
        cursor.execute(STORED)
        return list(cursor.fetchall())


def check_finite() -> None:
    """What was written last holds nothing that another program would read as infinity."""
    for table in (Entry, AssetEntry):
        for value in table.objects.order_by("-updated_at").values_list("value", flat=True)[:3]:
            json.loads(value, parse_float=finite, parse_constant=pytest.fail)


def finite(digits: str) -> float:
    assert math.isfinite(float(digits)), digits[:50]
    return float(digits)


def send(api: Api, sent: Sent) -> Answer:
    return api.send(sent.method, sent.url, sent.body, content_type=sent.type, **sent.headers)


def check_readable(api: Api, sent: Sent, answer: Answer) -> None:
    """What a write stored is read as it was sent or answered, and so is the list."""
    if sent.path == ["state-store", "batch"]:
        check_batch(api, sent)
    elif sent.method == "PUT":
        check_entry(api, sent, sent.path, read_object(sent.body)[1])
    elif "ETag" in answer and answer.content != b"null":  # of a merge or an increment
        key = "/".join(sent.path[-2:]) if sent.path[-1] == "increment" else sent.path[-1]
        path = [*sent.path[: -2 if sent.path[-1] == "increment" else -1]]
        if sent.method == "POST":
            key = key.removesuffix("/increment")
        check_entry(api, sent, [*path, key], answer.content.decode()[len('{"value":') : -1])


def check_entry(api: Api, sent: Sent, path: list[str], text: str) -> None:
    """The entry has this text, unless its time is up; its list can be read."""
    query = {name: value for name, value in sent.query.items() if name == "map_index"}
    plain = Sent("GET", path, query=query)
    got = send(api, plain)
    if (
        got.status_code == 404
    ):  # with an expiry in the past, or deleted before a write that was late
        assert "expires_" in sent.body.decode() or WRITE_HEADER in sent.headers
    else:
        assert got.status_code == 200
        found = value_text(got) if "expires_at" in got.json() else got.content.decode()
        assert text in found or WRITE_HEADER in sent.headers  # a late write changes nothing
    end = {"dags": 7, "assets": 3}.get(plain.path[0], 0)
    if end and plain.path[end - 1] == "state-store":
        plain.path = plain.path[:end]
        listed = send(api, plain)
        assert listed.status_code == 200
        listed.json()


def check_batch(api: Api, sent: Sent) -> None:
    """The last operation on each key is the one that shows."""
    last = {}
    for member in read_object(sent.body)[0]["operations"]:
        ids = {name: member.get(name) for name in ("asset_id", "dag_id", "run_id", "task_id")}
        if member["op"] != "get":
            last[(*ids.values(), member.get("map_index"), member["key"])] = ids, member
    for ids, member in last.values():
        path = ["assets", str(ids["asset_id"])]
        if ids["asset_id"] is None:
            path = [
                "dags",
                ids["dag_id"],
                "dagRuns",
                ids["run_id"],
                "taskInstances",
                ids["task_id"],
            ]
        map_index = {"map_index": str(int(member["map_index"]))} if "map_index" in member else {}
        got = send(api, Sent("GET", [*path, "state-store", member["key"]], query=map_index))
        if member["op"] == "delete":
            assert got.status_code == 404 or WRITE_HEADER in sent.headers
        elif got.status_code != 404:
            assert got.json()["value"] == member["value"] or WRITE_HEADER in sent.headers
        else:
            assert "expires_" in sent.body.decode() or WRITE_HEADER in sent.headers


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.django_db
def test_requests_that_are_wrong_by_chance(api: Api, settings: Any, seed: int) -> None:
    settings.STATESTORE_LOGIN_LIMIT = 10_000
    settings.STATESTORE_WAITERS = 0
    asset = api.send_json("POST", "/api/v2/assets", {"name": "fuzz"}).json()["id"]
    before, statuses = stored(), set()
    for number in range(REQUESTS // SEEDS):
        chance = random.Random(f"{seed} {number}")
        sent = valid(chance, api, asset)
        for _ in range(chance.choice([0, 1, 1, 1, 2, 3])):
            spoil(chance, sent)
        answer = send(api, sent)
        after, what = stored(), f"seed {seed} {number}: {sent} → {answer.status_code}"
        statuses.add(answer.status_code)
        assert answer.status_code < 500, what
        if answer.status_code >= 400:
            assert after == before, what
            assert sent.method == "HEAD" or set(answer.json()) >= {"detail", "code"}, what
        elif sent.method in {"PUT", "PATCH", "POST"}:
            check_readable(api, sent, answer)
        if after != before:
            check_finite()
        before = after
    assert {200, 204, 404, 405, 422} <= statuses
