"""The audit: what is done by hand leaves an entry, whichever way it was done; workers' writes none."""

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.test import Client, RequestFactory
from pytest_django.fixtures import Settings

from statestore import services
from statestore.access import Principal, Right
from statestore.errors import BatchError
from statestore.models import AuditEntry, Entry
from statestore.origin import address_of
from statestore.protocol import AssetScope, TaskScope
from statestore.queries import principal_of_user
from statestore.services import (
    Action,
    Operation,
    Writer,
    batch_apply,
    entries_clear,
    entry_delete,
    run_clear,
)
from statestore.tasks import sweep_audit, sweep_expired
from tests.storage import put

pytestmark = pytest.mark.django_db

VERA = Writer("user vera", reason="  it held\n a secret ")
WORKER = Writer("token airflow")


def kept() -> list[tuple[str, str, str, str]]:
    rows = AuditEntry.objects.order_by("pk")
    return list(rows.values_list("action", "who", "key", "reason"))


def last() -> Any:
    return AuditEntry.objects.latest("pk")


def test_a_person_who_deletes_a_key_is_named_with_the_reason(scope: TaskScope) -> None:
    put(scope, "job_id", "1")

    entry_delete(scope=scope, key="job_id", writer=VERA)
    entry_delete(scope=scope, key="job_id", writer=VERA)

    assert kept() == [("cleared_key", "user vera", "job_id", "it held a secret")]
    row = last()
    assert (row.dag_id, row.run_id, row.task_id, row.map_index) == (
        scope.dag_id, scope.run_id, scope.task_id, -1,
    )  # fmt: skip


def test_single_keys_of_workers_are_not_in_it(scope: TaskScope) -> None:
    put(scope, "job_id", "1", writer=WORKER)
    entry_delete(scope=scope, key="job_id", writer=WORKER)
    put(scope, "page", "1", writer=Writer("task sales / 1 / load"))
    entry_delete(scope=scope, key="page", writer=Writer("task sales / 1 / load"))

    assert kept() == []


@pytest.mark.parametrize("writer", [VERA, WORKER])
def test_every_clear_is_in_it_once(scope: TaskScope, writer: Writer) -> None:
    for key in ("b", "a"):
        put(scope, key, "1")
    entries_clear(scope=scope, writer=writer)
    entries_clear(scope=scope, writer=writer)

    assert [row[:2] for row in kept()] == [("cleared", writer.name)]
    assert last().detail == "2 keys: a, b"


def test_a_clear_of_all_map_indices_names_the_task(scope: TaskScope) -> None:
    put(scope.at(0), "a", "1")
    put(scope.at(7), "a", "1")
    entries_clear(scope=scope.at(7), writer=WORKER, all_map_indices=True)

    assert (last().action, last().map_index) == ("cleared_all_map_indices", -1)


def test_a_clear_of_a_run_names_the_run(scope: TaskScope) -> None:
    for index, key in enumerate(("job_id", "page")):
        put(scope.at(index), key, "1")
    for _ in range(2):
        run_clear(dag_id=scope.dag_id, run_id=scope.run_id, writer=VERA)
    row = AuditEntry.objects.get()
    assert kept() == [("cleared_run", "user vera", "", "it held a secret")]
    assert (row.dag_id, row.run_id, row.task_id) == (scope.dag_id, scope.run_id, "")
    assert row.detail == "2 keys: job_id, page"


def test_an_asset_is_named(scope: TaskScope) -> None:
    asset, _ = services.asset_register(name="orders", uri="s3://orders")
    put_asset = AssetScope(asset.id)
    services.entry_set(scope=put_asset, key="mark", value="1", decoded=1, writer=WORKER)
    entries_clear(scope=put_asset, writer=VERA)

    assert (last().asset, last().dag_id) == ("orders", "")


def test_a_person_who_deletes_in_a_batch_is_named(scope: TaskScope) -> None:
    put(scope, "a", "1")
    for writer in (WORKER, VERA):
        put(scope, "a", "1")
        batch_apply(operations=[Operation("delete", scope, "a")], writer=writer)

    assert [row[:3] for row in kept()] == [("cleared_key", "user vera", "a")]


def test_what_was_refused_or_rolled_back_leaves_nothing(scope: TaskScope) -> None:
    put(scope, "a", "1")
    services.attempt_start(scope=scope)
    services.attempt_start(scope=scope)
    operations = [Operation("delete", scope, "a"), Operation("delete", scope, "b", attempt=1)]
    with pytest.raises(BatchError):
        batch_apply(operations=operations, writer=VERA)

    assert kept() == []


def test_tokens_created_and_revoked_name_the_token_and_no_secret() -> None:
    token, secret = services.api_token_create(
        name="airflow", rights=[Right.VIEW, Right.WRITE], dag_patterns="sales_*"
    )
    assert services.api_token_revoke(token_id=token.pk)
    assert not services.api_token_revoke(token_id=token.pk)

    assert [row[0] for row in kept()] == ["token_created", "token_revoked"]
    details = " ".join(AuditEntry.objects.values_list("detail", flat=True))
    assert f"airflow ({token.prefix}…): view,write; dags sales_*" in details
    assert secret not in details


def test_a_task_token_is_in_it_if_a_person_made_it(scope: TaskScope) -> None:
    end = datetime.now(UTC) + timedelta(hours=1)
    for maker in ("token scheduler", "user vera"):
        services.task_token_create(scope=scope, expires_at=end, maker=Principal(maker, ()))

    assert [row[:2] for row in kept()] == [("token_created", "user vera")]


def test_commands_name_who_runs_them_and_where() -> None:
    call_command("create_api_token", "x", stdout=StringIO())
    call_command("sweep_expired", stdout=StringIO())

    assert [row[0] for row in kept()] == ["token_created", "swept"]
    for row in AuditEntry.objects.all():
        assert row.who.startswith("shell ")
        assert row.address


def test_the_sweep_of_beat_is_not_by_hand() -> None:
    sweep_expired()
    assert kept() == []


def test_logins_failures_and_logouts_say_from_where(client: Client) -> None:
    User.objects.create_user("vera", password="vera-likes-long-ones")
    form = {"username": "vera", "password": "wrong"}
    where: dict[str, Any] = {"REMOTE_ADDR": "192.0.2.7"}
    client.post("/login/", form, **where)
    client.post("/login/", {"username": "hunter2", "password": "x"}, **where)
    client.post("/login/", {**form, "password": "vera-likes-long-ones"}, **where)
    client.post("/logout/", **where)

    assert [row[:2] for row in kept()] == [
        ("login_failed", "user vera"),
        ("login_failed", "nobody"),
        ("logged_in", "user vera"),
        ("logged_out", "user vera"),
    ]
    rows = AuditEntry.objects.all()
    assert {row.address for row in rows} == {"192.0.2.7"}
    assert "hunter2" not in "".join(f"{row.who}{row.detail}" for row in rows)


def test_a_login_over_the_api_is_in_it(client: Client) -> None:
    User.objects.create_user("vera", password="vera-likes-long-ones")
    for password in ("wrong", "vera-likes-long-ones"):
        body = {"username": "vera", "password": password}
        client.post("/api/v2/auth/token", body, content_type="application/json")

    assert [row[:2] for row in kept()] == [
        ("login_failed", "user vera"),
        ("logged_in", "user vera"),
    ]


def test_changes_of_accounts_are_in_it(admin_client: Client) -> None:
    AuditEntry.objects.all().delete()
    admin_client.post("/admin/auth/group/add/", {
        "name": "oncall", "reach-TOTAL_FORMS": 0, "reach-INITIAL_FORMS": 0,
    })  # fmt: skip
    group = Group.objects.get()
    admin_client.post(f"/admin/auth/group/{group.pk}/delete/", {"post": "yes"})
    noor = User.objects.create_user("noor")
    form = {"username": "noor", "is_superuser": "on", "date_joined_0": "2026-01-01",
            "date_joined_1": "00:00:00"}  # fmt: skip
    admin_client.post(f"/admin/auth/user/{noor.pk}/change/", form)

    assert [row[:2] for row in kept()] == [("account_changed", "user admin")] * 3
    assert [row.detail for row in AuditEntry.objects.order_by("pk")][:2] == [
        "group oncall: Added.",
        "group oncall: Deleted.",
    ]
    assert "user noor: Changed" in last().detail


def test_a_changed_password_is_in_it_whoever_changed_it(client: Client) -> None:
    ann = User.objects.create_superuser("ann", password="ann-likes-long-ones")
    noor = User.objects.create_user("noor", password="noor-likes-long-ones", is_staff=True)
    client.force_login(ann)
    theirs = {"password1": "a-new-one-for-noor", "password2": "a-new-one-for-noor"}
    client.post(f"/admin/auth/user/{noor.pk}/password/", theirs)
    noor.refresh_from_db()
    client.force_login(noor)
    AuditEntry.objects.filter(action="logged_in").delete()
    own = {"new_password1": "noor-likes-longer-ones", "new_password2": "noor-likes-longer-ones"}
    client.get("/admin/password_change/")
    client.post("/admin/password_change/", {"old_password": "wrong", **own})
    assert kept() == [("account_changed", "user ann", "", "")]
    answer = client.post("/admin/password_change/", {"old_password": "a-new-one-for-noor", **own})

    assert answer["Location"] == "/admin/password_change/done/"
    assert client.get("/admin/").status_code == 200  # this session goes on
    assert [row[:2] for row in kept()][1:] == [("account_changed", "user noor")]
    details = AuditEntry.objects.values_list("detail", flat=True)
    assert set(details) == {"user noor: Changed password."}
    assert Client().login(username="noor", password="noor-likes-longer-ones")


def test_no_password_changes_without_it(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = User.objects.create_superuser("ann", password="ann-likes-long-ones")
    client.force_login(ann)
    monkeypatch.setattr("statestore.services.audit_record", lambda **_: 1 / 0)
    new = {"password1": "a-new-one-for-ann", "password2": "a-new-one-for-ann"}
    own = {"old_password": "ann-likes-long-ones", **{f"new_{name}": new[name] for name in new}}
    for path, form in (
        (f"/admin/auth/user/{ann.pk}/password/", new),
        ("/admin/password_change/", own),
    ):
        with pytest.raises(ZeroDivisionError):
            client.post(path, form)

    ann.refresh_from_db()
    assert ann.check_password("ann-likes-long-ones")


def test_the_admin_site_keeps_the_reason(client: Client, scope: TaskScope) -> None:
    put(scope, "job_id", "1")
    sam = User.objects.create_user("sam", is_staff=True)
    rights = Permission.objects.filter(codename__in=["view_entry", "delete_entry"])
    sam.user_permissions.set(rights)
    client.force_login(sam)
    AuditEntry.objects.all().delete()
    form = {"action": "clear_keys", "_selected_action": [Entry.objects.get().pk]}
    page = client.post("/admin/statestore/entry/", form)
    assert 'name="reason"' in page.content.decode()
    client.post("/admin/statestore/entry/", {**form, "confirmed": "yes", "reason": "gone stale"})

    assert kept() == [("cleared_key", "user sam", "job_id", "gone stale")]


def test_it_is_swept_by_its_own_retention(settings: Settings) -> None:
    for days in (1, 29, 31, 900):
        at = datetime.now(UTC) - timedelta(days=days)
        AuditEntry.objects.create(at=at, who="user vera", action="cleared")
    settings.STATESTORE_AUDIT_DAYS = 0
    assert sweep_audit() == 0
    settings.STATESTORE_AUDIT_DAYS = 30
    assert sweep_audit() == 2
    assert AuditEntry.objects.count() == 2


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "203.0.113.9", "127.0.0.1"),
        (1, "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        (2, "198.51.100.1, 203.0.113.9", "198.51.100.1"),
        (2, "203.0.113.9", "127.0.0.1"),
        (1, "", "127.0.0.1"),
    ],
)
def test_the_address_is_the_one_that_a_trusted_proxy_saw(
    settings: Settings, proxies: int, forwarded: str, address: str
) -> None:
    settings.STATESTORE_PROXIES = proxies
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    assert address_of(RequestFactory().get("/", headers=headers)) == address


def test_long_texts_are_cut() -> None:
    services.audit_record(action=Action.SWEPT, who="u" * 300, detail="d" * 9000, reason="r" * 900)
    row = last()
    assert (len(row.who), len(row.detail), len(row.reason)) == (200, 2000, 500)


def test_no_user_can_be_taken_for_a_worker() -> None:
    user = User.objects.create_user("task x")
    assert principal_of_user(user).name == "user task x"
