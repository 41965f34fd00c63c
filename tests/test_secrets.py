"""Values that look like secrets are found after they were written, hidden, and refused where wished."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from statestore import services
from statestore.access import Grant, Principal, Right
from statestore.errors import NotFoundError, PreconditionFailedError
from statestore.models import (
    Asset,
    AssetEntry,
    AuditEntry,
    Entry,
    SecretFinding,
    SecretScan,
    TaskInstance,
)
from statestore.protocol import AssetScope, TaskScope
from statestore.queries import (
    Amount,
    Finding,
    FindingFilter,
    finding_page,
    hidden_at_sight,
    hidden_keys,
    secret_count,
)
from statestore.secret_forms import PIECE
from statestore.secrets_scan import secrets_in
from statestore.services import Writer, secrets
from statestore.tasks import scan_secrets
from tests.storage import ME, dismiss, expire, put

ALL = Principal("tests", (Grant(frozenset(Right)),))
PASSWORD = '{"password": "correct horse"}'


def jwt() -> str:
    parts = [{"alg": "HS256", "typ": "JWT"}, {"sub": "1234567890"}]
    texts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in parts]
    return ".".join([*(text.rstrip("=") for text in texts), "dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"])


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("AKIA" + "Q3EXAMPLE7KEYA12", "AWS Access Key"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA1234567890\n", "Private Key"),
        ("postgresql://app:s3cretpw@db.internal/app", "Basic Auth Credentials"),
        ("https://app:s3cretpw@db.internal/?as=example.com", "Basic Auth Credentials"),
        ("ghp_" + "a1B2" * 9, "GitHub Token"),
        ("npm_" + "a1B2" * 9, "NPM tokens"),
        ("sst_" + "a" * 43, "Statestore token"),
        (jwt(), "JSON Web Token"),
        ("redis://:swordfish1@h:1/0", "Basic Auth Credentials"),
        ("Server=db;User=app;Password=swordfish;Timeout=3", "connection string with a password"),
        ("host=db user=app password=swordfish", "connection string with a password"),
        ("curl -H 'Authorization: Bearer abc123def456' https://h/", "Authorization header"),
        ("Basic " + base64.b64encode(b"app:swordfish").decode(), "Authorization header"),
        ("github_pat_" + "a1B2" * 5 + "cD_" + "a1B2" * 14 + "c3D", "GitHub Token"),
        ("glpat-" + "a1B2-" * 4, "GitLab token"),
        ("AIza" + "a1B2_" * 7, "Google API key"),
        ("sk-proj-" + "a1B2-" * 30, "OpenAI key"),
        ("sk-" + "a1B2c" * 4 + "T3BlbkFJ" + "a1B2c" * 4, "OpenAI key"),
        ("sk-ant-api03-" + "a1B2_" * 18 + "AA", "Anthropic key"),
        ("pypi-AgE" + "IcHlwaS5vcmc" + "a1B2" * 30, "PyPI token"),
        ("hf_" + "aBcD" * 8 + "eF", "Hugging Face token"),
        ("hvs." + "a1B2-" * 18, "Vault token"),
        ("dapi" + "a1b2" * 8, "Databricks token"),
        ("https://a.blob/c?sv=2024-11-04&sig=" + "a1%2F" * 9 + "%3D", "signed URL"),
        ("https://b.s3/k?X-Amz-Expires=60&X-Amz-Signature=" + "a1b2" * 16, "signed URL"),
        ("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQdGBGb4xV0BEADa\n", "Private Key"),
        ("-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: 2\n\nlQdGBGb4\n", "Private Key"),
        ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIFHDBOBgkq\n", "Private Key"),
        ("PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n", "Private Key"),
    ],
)
def test_forms_are_known_wherever_they_stand(value: str, rule: str) -> None:
    for nested, place in ((value, ""), ({"a": [1, {"b": value}]}, "/a/1/b")):
        assert [(s.rule, s.place) for s in secrets_in("k", nested)] == [(rule, place)]


URL = "postgres://app:s3cretpw@db.internal/app"
GITHUB = "ghp_" + "a1B2" * 9
KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA{}\n"


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        (f"loaded 1,200 rows from {URL}", f"loaded 1,300 rows from {URL}", True),
        (f"loaded 1,200 rows from {URL}", f"{URL} and {URL.replace('s3cret', 'other')}", False),
        (f"step 1 with {GITHUB}", f"step 2 with {GITHUB}", True),
        (f"step 1 with {GITHUB}", f"step 1 with {GITHUB[:-1]}C", False),
        (f"step 1 with {jwt()}", f"step 2 with {jwt()}", True),
        ("try 1, password=swordfish;", "try 2, password=swordfish;", True),
        (KEY.format("1234567890"), KEY.format("1234567891"), False),
        (
            "artifactory 12 of 90 with APAbcdefghijk",
            "artifactory 13 of 90 with APAbcdefghijk",
            True,
        ),
        ("Authorization: token 12345678:AAAA", "Authorization: token 12345678:BBBB", False),
    ],
)
def test_a_form_is_the_same_one_whatever_moves_around_it(
    before: str, after: str, same: bool
) -> None:
    judged = set(secrets_in("progress", {"message": before}))
    found = secrets_in("progress", {"message": after})
    assert found
    assert all(secret.is_among(judged) for secret in found) is same


@pytest.mark.parametrize(
    ("key", "value"), [("password", "correct horse"), ("authorization", "token 12345678:AAAA")]
)
def test_what_its_name_makes_a_secret_is_judged_as_a_whole(key: str, value: str) -> None:
    (judged,) = secrets_in(key, value)
    (found,) = secrets_in(key, f"{value}2")
    assert not found.is_among({judged})


@pytest.mark.parametrize(
    "name", ["password", "db_password", "apiKey", "API_KEY", "accessKey", "token", "auth-token",
             "client.secret", "AWSSecretKey", "credentials", "password_prod", "PASSWORD1",
             "db_password_2", "db_pass", "account_key", "AccountKey", "ssh_key", "pw",
             "passphrase"],
)  # fmt: skip
def test_names_of_secrets_are_known(name: str) -> None:
    assert secrets_in(name, "abcdef")
    assert secrets_in("config", {"nested": {name: "abcdef"}})


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"passwords": {"alice": "swordfish"}}, "/passwords/alice"),
        ({"passwords": {"prod": {"alice": [81549300]}}}, "/passwords/prod/alice/0"),
        ({"tokens": ["swordfish"]}, "/tokens/0"),
        ({"tokens": {"a": {"b": "swordfish"}}}, "/tokens/a/b"),
        ({"password": {"value": "swordfish"}}, "/password/value"),
        ({"db": {"pass": "swordfish"}}, "/db/pass"),
        ({"pass": "swordfish9"}, "/pass"),
        ({"smtp": {"user": "app", "pass": "swordfish"}}, "/smtp/pass"),
        ({"password": 81549300}, "/password"),
        ({"body": '{"config": {"password": "swordfish"}}'}, "/body/config/password"),
        ({"body": '["{\\"password\\": \\"swordfish\\"}"]'}, "/body/0/password"),
    ],
)
def test_what_a_name_makes_a_secret_is_found_below_it(value: Any, place: str) -> None:
    assert [(s.rule, s.place) for s in secrets_in("k", value)] == [("name of a secret", place)]


def test_a_header_of_a_request_is_a_secret() -> None:
    (found,) = secrets_in("k", {"headers": {"Authorization": "Bearer abcdefgh"}})
    assert (found.rule, found.place) == ("Authorization header", "/headers/Authorization")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("last_page", 7),
        ("password_reset_url", "https://accounts.internal/reset"),
        ("tokens_used", 5),
        ("tokens_used", "5000 of 9000"),
        ("tokens", {"input": 51_200, "output": "48,100", "limits": {"max": 90_000}}),
        ("max_tokens", 4096),
        ("max_tokens", "4096"),
        ("usage", {"total_tokens": "51200", "promptTokens": {"cached": "many of them"}}),
        ("next_page_tokens", ["CAUQAA", "CAUQAB"]),
        ("page_token_2", "CAUQAAAB"),
        ("passwords", 120_000),
        ("password", True),
        ("password_attempts", 10_000),
        ("pass", 3),
        ("pass", "second"),
        ("first_pass", "done in 3 s"),
        ("pass", "2026-11-20T03:12:44Z"),
        ("pass", "the 2nd of 3"),
        ("pw", 1500),
        ("ssh_key", "~/.ssh/id_ed25519"),
        ("ssh_key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 app@host"),
        ("auth", "basic authentication"),
        ("message", "Basic training of 12 models, basic understanding: none"),
        ("image", "pypi-mirror-of-all-the-packages-that-we-build:2026"),
        ("branch", "sk-project-of-the-second-quarter-of-2026"),
        ("url", "https://db.internal/path?sig=none"),
        ("message", "no line '-----BEGIN PRIVATE KEY-----' in it"),
        ("passed", "yes, all of them"),
        ("db_passed", 1000),
        ("secret", 1000),
        ("broker", "redis://:${REDIS_PASSWORD}@h:1/0"),
        ("broker", "redis://h:6379/0"),
        ("dsn", "Server=db;Password=${PASSWORD};"),
        ("message", "retry with reset_password=false"),
        ("message", "Authorization: Bearer required"),
        ("message", "Authorization: Bearer $TOKEN"),
        ("headers", {"Authorization": "Bearer {{ token }}"}),
        ("body", '{"rows": 3, "last": "b"}'),
        ("body", "[not JSON at all"),
        ("body", "[" * 9_000),
        ("job_id", "application_1732085112_0042"),
        ("next_page_token", "CAUQAA"),
        ("job_id.submission", {"token": "b1946ac92492d2347c6235b4d2611184", "state": "reserved"}),
        ("tokens", 512),
        ("token_count", "512 000"),
        ("secret_name", "prod/db"),
        ("password", "{{ conn.db.password }}"),
        ("password", "${DB_PASSWORD}"),
        ("secret", "arn:aws:secretsmanager:eu-west-1:1:secret:x"),
        ("password", None),
        ("password", ""),
        ("checksum", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
        ("file", "s3://bucket/2026/11/20/part-0001.parquet"),
        ("url", "https://db.internal/path?x=1"),
        ("progress", {"current": 1, "total": 9, "unit": "rows", "message": "token 3 of 9"}),
    ],
)
def test_what_tasks_usually_keep_is_no_secret(key: str, value: Any) -> None:
    assert secrets_in(key, value) == []


AWS_KEY = "AKIA" + "Q3EXAMPLE7KEYA12"
LONG = "word " * 13_000


@pytest.mark.parametrize(
    ("value", "rule", "place"),
    [
        ([AWS_KEY, *["s"] * 30_000], "AWS Access Key", "/0"),
        ([*["s"] * 30_000, AWS_KEY], "AWS Access Key", "/30000"),
        ([{"password": "swordfish"}, *range(20_000)], "name of a secret", "/0/password"),
        (f"{LONG} {AWS_KEY}", "AWS Access Key", ""),
        (f"{AWS_KEY} {LONG}", "AWS Access Key", ""),
        (json.dumps({"text": LONG, "password": "swordfish"}), "name of a secret", "/password"),
    ],
    ids=["first", "last", "below a name", "end of a string", "its beginning", "JSON in a string"],
)
def test_a_value_is_looked_at_to_its_end(value: Any, rule: str, place: str) -> None:
    assert [(s.rule, s.place) for s in secrets_in("k", value)] == [(rule, place)]


def test_a_form_is_found_wherever_a_long_string_is_divided() -> None:
    for before in range(PIECE - 30, PIECE + 10):
        assert secrets_in("k", f"{'-' * before} {AWS_KEY} {'-' * PIECE}")


def test_a_huge_value_ends() -> None:
    assert secrets_in("k", {"rows": ["x" * 10] * 100_000, "deep": ["y" * 200_000]}) == []


def task_id(scope: TaskScope) -> int:
    return int(TaskInstance.objects.get(scope_digest=scope.digest).pk)


def findings(principal: Principal, *, dismissed: bool = False) -> list[Finding]:
    return finding_page(where=FindingFilter(dismissed=dismissed), principal=principal).findings


def put_asset(asset_id: int, key: str, text: str) -> None:
    services.entry_set(
        scope=AssetScope(asset_id), key=key, value=text, decoded=json.loads(text), writer=ME
    )


def hidden(scope: TaskScope) -> set[str]:
    return {key for _, key in hidden_keys([task_id(scope)])}


@pytest.mark.django_db
class TestScan:
    def test_it_finds_what_was_written_and_nothing_else(self, scope: TaskScope) -> None:
        put(scope, "config", PASSWORD)
        put(scope, "page", "7")
        assert hidden(scope) == set()
        scan_secrets()
        assert hidden(scope) == {"config"}
        (found,) = findings(ALL)
        assert (found.scope, found.key, found.rules) == (
            scope, "config", ["name of a secret at /password"],
        )  # fmt: skip
        assert secret_count(ALL) == Amount(1)
        assert "correct horse" not in str(SecretFinding.objects.values())

    def test_very_many_are_not_counted_to_the_end(
        self, scope: TaskScope, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(5):
            put(scope, f"config_{number}", '{"password": "correct horse", "token": "battery"}')
        scan_secrets()
        assert secret_count(ALL) == Amount(5)
        monkeypatch.setattr("statestore.queries.findings._COUNTED_AT", 10)  # two places in each key
        assert secret_count(ALL) == Amount(5)
        monkeypatch.setattr("statestore.queries.findings._COUNTED_AT", 6)
        assert secret_count(ALL) == Amount(3, more=True)
        monkeypatch.setattr("statestore.queries.findings.COUNTED", 2)
        assert secret_count(ALL) == Amount(2, more=True)

    def test_it_reads_only_what_changed_since(self, scope: TaskScope) -> None:
        old, new = scope.at(1), scope.at(2)
        put(old, "config", PASSWORD)
        long_ago = datetime.now(UTC) - timedelta(hours=1)
        Entry.objects.update(updated_at=long_ago)
        TaskInstance.objects.update(active_at=long_ago)
        SecretScan.objects.create(
            pk=1, changed_until=datetime.now(UTC), entry_id=10**12, asset_entry_id=0
        )
        put(new, "config", PASSWORD)
        scan_secrets()
        assert (hidden(old), hidden(new)) == (set(), {"config"})
        scan_secrets()  # the round has begun anew
        assert hidden(old) == {"config"}

    def test_a_write_is_found_though_its_task_was_touched_before(self, scope: TaskScope) -> None:
        put(scope, "progress", "1")
        scan_secrets()
        SecretScan.objects.update(entry_id=10**12)
        TaskInstance.objects.update(active_at=datetime.now(UTC) - timedelta(seconds=29))
        put(scope, "config", PASSWORD)
        scan_secrets()
        assert hidden(scope) == {"config"}

    def test_the_round_goes_through_everything(
        self, scope: TaskScope, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("statestore.services.secrets.ROUND", 3)
        for number in range(8):
            put(scope, f"k{number}", PASSWORD)
        long_ago = datetime.now(UTC) - timedelta(hours=1)
        Entry.objects.update(updated_at=long_ago)
        assert [scan_secrets() for _ in range(4)] == [3, 3, 2, 3]
        assert len(hidden(scope)) == 8

    @pytest.mark.postgresql
    def test_no_more_than_a_batch_of_values_is_read_at_once(
        self, scope: TaskScope, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Behind a pooler in transaction mode too, where no cursor stays open."""
        monkeypatch.setitem(connection.settings_dict, "DISABLE_SERVER_SIDE_CURSORS", True)
        monkeypatch.setattr("statestore.services.secrets.BATCH", 2)
        for number in range(5):
            put(scope, f"k{number}", PASSWORD)
        read = []

        def count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            result = execute(sql, params, many, context)
            if '"statestore_entry"."value"' in sql:
                read.append(context["cursor"].rowcount)
            return result

        with connection.execute_wrapper(count):
            scan_secrets()
        assert read == [2, 2, 1] * 2  # what has changed, and the round
        assert len(hidden(scope)) == 5

    def test_what_was_overwritten_stays_hidden_while_a_version_holds_it(
        self, scope: TaskScope
    ) -> None:
        put(scope, "config", PASSWORD)
        put(scope, "config", "0")
        scan_secrets()
        assert hidden(scope) == {"config"}
        for number in range(1, 20):
            put(scope, "config", str(number))
        scan_secrets()
        assert hidden(scope) == set()

    def test_a_finding_goes_with_its_key(self, scope: TaskScope) -> None:
        for key in ("a", "b"):
            put(scope, key, PASSWORD)
        scan_secrets()
        services.entry_delete(scope=scope, key="a", writer=ME)
        expire(scope, "b")
        assert findings(ALL) == []
        assert secret_count(ALL) == Amount(0)
        put(scope, "a", "1")
        scan_secrets()
        assert "a" not in hidden(scope)

    def test_assets_are_scanned_too(self) -> None:
        asset, _ = services.asset_register(name="orders", uri="s3://orders")
        services.entry_set(
            scope=AssetScope(asset.id), key="config", value=PASSWORD,
            decoded=json.loads(PASSWORD), writer=ME,
        )  # fmt: skip
        scan_secrets()
        (found,) = findings(ALL)
        assert (found.asset, found.key) == ("orders", "config")
        assert hidden_keys([asset.id], of_asset=True) == {(asset.id, "config")}

    def test_what_changed_in_an_asset_does_not_wait_for_the_round(self) -> None:
        names = ("old", "new", "batched")
        ids = [services.asset_register(name=name, uri=name)[0].id for name in names]
        for asset_id in ids:
            put_asset(asset_id, "config", PASSWORD)
        long_ago = datetime.now(UTC) - timedelta(hours=1)
        AssetEntry.objects.update(updated_at=long_ago)
        Asset.objects.update(active_at=long_ago)
        SecretScan.objects.create(
            pk=1, changed_until=datetime.now(UTC), entry_id=0, asset_entry_id=10**12
        )
        put_asset(ids[1], "config", PASSWORD)
        again = services.Operation(
            "set", AssetScope(ids[2]), "config", value=PASSWORD, decoded=json.loads(PASSWORD)
        )
        services.batch_apply(operations=[again], writer=ME)
        scan_secrets()
        found = {(pk, "config") for pk in ids[1:]}
        assert hidden_keys(ids, of_asset=True) == found

    def test_who_reaches_other_dags_hears_nothing(self, scope: TaskScope) -> None:
        put(scope, "config", PASSWORD)
        scan_secrets()
        other = Principal("x", (Grant(frozenset(Right), ("hr_*",), ("hr_*",)),))
        assert (findings(other), secret_count(other)) == ([], Amount(0))

    def test_a_false_alarm_stays_dismissed_and_is_in_the_audit(self, scope: TaskScope) -> None:
        put(scope, "config", PASSWORD)
        scan_secrets()
        vera = Writer("user vera", reason="a test account")
        dismiss(scope, "config", writer=vera)
        scan_secrets()
        assert hidden(scope) == set()
        assert findings(ALL) == []
        assert [found.dismissed_by for found in findings(ALL, dismissed=True)] == ["user vera"]
        put(scope, "config", '{"password": "x", "api_key": "abcdef"}')
        scan_secrets()
        assert hidden(scope) == {"config"}
        entry = AuditEntry.objects.get()
        assert (entry.action, entry.key, entry.reason) == (
            "not_a_secret", "config", "a test account",
        )  # fmt: skip
        with pytest.raises(NotFoundError):
            services.secret_dismiss(scope=scope, key="nothing", version=1, seen="", writer=vera)

    def test_what_was_no_secret_stays_quiet_and_what_replaces_it_does_not(
        self, scope: TaskScope
    ) -> None:
        put(scope, "api_token", '"test"')
        scan_secrets()
        dismiss(scope, "api_token")
        put(scope, "api_token", '"9f86d081884c7d65"')
        assert hidden_at_sight([(task_id(scope), "api_token", '"9f86d081884c7d65"')])
        scan_secrets()
        assert hidden(scope) == {"api_token"}
        (found,) = findings(ALL)
        assert found.rules == ["name of a secret"]
        assert not hidden_at_sight([(task_id(scope), "api_token", '"test"')])
        dismiss(scope, "api_token")
        scan_secrets()
        assert hidden(scope) == set()
        (said,) = findings(ALL, dismissed=True)
        assert (said.rules, said.places) == (["name of a secret"], 1)
        assert not hidden_at_sight([(task_id(scope), "api_token", '"test"')])
        assert "9f86d081" not in str(SecretFinding.objects.values())

    def test_what_nobody_saw_is_not_judged(self, scope: TaskScope) -> None:
        put(scope, "api_token", '"test"')
        scan_secrets()
        (shown,) = findings(ALL)
        put(scope, "api_token", '"9f86d081884c7d65"')
        seen: Any = {"version": shown.version, "seen": shown.seen}
        with pytest.raises(PreconditionFailedError):
            services.secret_dismiss(scope=scope, key="api_token", **seen, writer=ME)
        put(scope, "api_token", '"test"')
        services.secret_dismiss(scope=scope, key="api_token", **seen, writer=ME)
        assert hidden(scope) == {"api_token"}  # for the version between

    def test_nobody_learns_what_is_hidden_by_writing_guesses_elsewhere(
        self, scope: TaskScope
    ) -> None:
        for key in ("hidden", "guess"):
            put(scope, key, '{"password": "hunter2 is it"}')
        scan_secrets()
        found = findings(ALL)
        assert len({one.seen for one in found}) == 2
        assert not any(one.seen in repr(found) for one in found)

    def test_a_value_that_moves_around_what_was_seen_is_judged(self, scope: TaskScope) -> None:
        put(scope, "progress", '{"current": 1, "password": "correct horse"}')
        scan_secrets()
        (shown,) = findings(ALL)
        put(scope, "progress", '{"current": 2, "password": "correct horse"}')
        services.secret_dismiss(
            scope=scope, key="progress", version=shown.version, seen=shown.seen, writer=ME
        )
        assert hidden(scope) == set()

    def test_a_place_that_no_scan_has_come_to_is_judged_too(self, scope: TaskScope) -> None:
        put(scope, "config", PASSWORD)
        scan_secrets()
        both = '{"password": "correct horse", "api_key": "abcdef"}'
        put(scope, "config", both)
        dismiss(scope, "config")
        assert not hidden_at_sight([(task_id(scope), "config", both)])
        scan_secrets()
        assert hidden(scope) == set()

    def test_a_scan_may_forget_a_finding_while_it_is_judged(
        self, scope: TaskScope, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(scope, "config", PASSWORD)
        scan_secrets()

        def scanned(row: Any, values: Any) -> Any:
            SecretFinding.objects.filter(dismissed_at=None).delete()
            return found_in(row, values)

        found_in = secrets._found_in
        monkeypatch.setattr(secrets, "_found_in", scanned)
        dismiss(scope, "config")
        scan_secrets()
        assert hidden(scope) == set()

    def test_a_false_alarm_in_a_message_stays_quiet_while_the_rest_moves(
        self, scope: TaskScope
    ) -> None:
        put(scope, "progress", json.dumps({"message": f"loaded 1,200 rows from {URL}"}))
        scan_secrets()
        dismiss(scope, "progress")
        moved = json.dumps({"message": f"loaded 1,300 rows from {URL}"})
        put(scope, "progress", moved)
        assert not hidden_at_sight([(task_id(scope), "progress", moved)])
        scan_secrets()
        assert hidden(scope) == set()

    def test_a_mark_of_before_values_were_told_apart_stays(self, scope: TaskScope) -> None:
        put(scope, "config", PASSWORD)
        scan_secrets()
        SecretFinding.objects.update(dismissed_at=datetime.now(UTC))
        put(scope, "config", '{"password": "another one"}')
        scan_secrets()
        assert hidden(scope) == set()
        assert not hidden_at_sight([(task_id(scope), "config", PASSWORD)])

    def test_versions_that_look_like_a_secret_are_revealed_too(self, scope: TaskScope) -> None:
        values = ['{"password": "old horse"}', "1", PASSWORD, "2"]
        for value in values:
            put(scope, "config", value)
        found = services.secret_reveal(scope=scope, key="config", writer=ME)
        assert [(one.version, one.value) for one in found] == [
            (4, "2"), (3, PASSWORD), (1, values[0]),
        ]  # fmt: skip

    def test_what_had_expired_is_neither_revealed_nor_a_reason_to_hide(
        self, scope: TaskScope
    ) -> None:
        put(scope, "config", PASSWORD)
        expire(scope, "config")
        put(scope, "config", "1")  # before the sweep: the same row, with its versions
        (found,) = services.secret_reveal(scope=scope, key="config", writer=ME)
        assert found.value == "1"
        scan_secrets()
        assert hidden(scope) == set()

    def test_revealing_is_in_the_audit_and_the_value_is_not(self, scope: TaskScope) -> None:
        put(scope, "config", PASSWORD)
        (found,) = services.secret_reveal(scope=scope, key="config", writer=Writer("user vera"))
        assert (found.version, found.value) == (1, PASSWORD)
        assert "correct horse" not in str(AuditEntry.objects.values())
        assert AuditEntry.objects.get().action == "revealed"
        with pytest.raises(NotFoundError):
            services.secret_reveal(scope=scope, key="nothing", writer=ME)
