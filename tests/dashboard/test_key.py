"""The page of a key: its versions, what they changed, and going back."""

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from pytest_django.fixtures import Settings

from dashboard.history import Line, curve_of, steps_of
from dashboard.keyview import FORMS
from dashboard.watch import watcher
from statestore import services
from statestore.models import Asset, AuditEntry, Entry, GroupReach, ProgressSample
from statestore.protocol import NEVER_EXPIRE, AssetScope
from statestore.queries import Version
from statestore.services import Writer
from tests.dashboard.data import EVIL, SCOPE, id_of, put
from tests.storage import expire


def path(key: str, rest: str = "") -> str:
    return f"/t/{id_of()}/k/{rest}?{urlencode({'key': key})}"


def clear_path(key: str) -> str:
    return f"/t/{id_of()}/clear-key/?{urlencode({'key': key})}"


def may(user: User, *codenames: str) -> None:
    user.user_permissions.add(*Permission.objects.filter(codename__in=codenames))


def test_versions_and_their_differences_are_shown(viewing: Client) -> None:
    put("config", {"a": 1, "b": [1, 2]})
    put("config", {"a": 2, "b": [1, 2]})
    html = viewing.get(path("config")).content.decode()
    assert "<ins>+   &quot;a&quot;: 2," in html
    assert "<del>-   &quot;a&quot;: 1," in html
    assert "by token worker" in html
    assert "a over its versions" in html
    assert path("config").replace("&", "&amp;") in viewing.get(f"/t/{id_of()}/").content.decode()


def test_without_the_rights_there_is_no_button_and_the_server_refuses(
    viewing: Client, viewer: User
) -> None:
    put("k", 1)
    put("k", 2)
    html = viewing.get(path("k")).content.decode()
    assert "Restore" not in html
    assert "Clear key" not in html
    form = {"key": "k", "version": 1}
    assert viewing.post(path("k", "restore/"), form).status_code == 403
    assert viewing.get(path("k", "restore/")).status_code == 405
    assert viewing.post(clear_path("k"), form).status_code == 403
    assert Entry.objects.get().value == "2"


def test_an_old_version_is_restored(viewing: Client, viewer: User) -> None:
    put("k", "old")
    put("k", "new")
    may(viewer, "change_entry")
    form = {"key": "k", "version": 1, "reason": "it was right"}
    answer = viewing.post(path("k", "restore/"), form)
    assert answer["Location"] == path("k")
    html = viewing.get(path("k")).content.decode()
    assert "Version 1 is restored, as version 3." in html
    assert Entry.objects.get().value == '"old"'
    assert AuditEntry.objects.filter(action="restored", who="user vera").count() == 1
    for version in ("99", "x", "-1", "", "9" * 40):
        answer = viewing.post(path("k", "restore/"), {**form, "version": version})
        assert answer.status_code == 404


def test_a_key_is_cleared_with_a_reason(viewing: Client, viewer: User) -> None:
    put("k", 1)
    may(viewer, "delete_entry")
    assert f'href="{clear_path("k")}"' in viewing.get(path("k")).content.decode()
    answer = viewing.post(clear_path("k"), {"reason": "it blocks the retry"})
    assert answer["Location"] == f"/t/{id_of()}/"
    assert not Entry.objects.exists()
    assert AuditEntry.objects.get(action="cleared_key").reason == "it blocks the retry"
    assert viewing.get(path("k")).status_code == 404


def test_a_key_is_named_without_what_no_database_takes(viewing: Client, viewer: User) -> None:
    may(viewer, "delete_entry")
    put("job_id", 1)
    assert viewing.get(clear_path("\0")).status_code == 404
    asset, _ = services.asset_register(name="orders", uri="s3://lake/orders")
    assert viewing.get(f"/assets/{asset.id}/clear-key/?key=%00").status_code == 404
    for page in (path("job\0_id"), clear_path("job\0_id")):
        assert viewing.get(page).status_code == 200


def test_a_value_is_changed_in_the_version_that_was_seen(viewing: Client, viewer: User) -> None:
    put("k", {"page": 7}, expiry=timedelta(days=2))
    before = Entry.objects.get()
    form = {"key": "k", "version": 1, "value": '{"page": 3}', "reason": "load them again"}
    assert "Change the value" not in viewing.get(path("k")).content.decode()
    assert viewing.post(path("k", "edit/"), form).status_code == 403
    may(viewer, "change_entry")
    assert "Change the value" in viewing.get(path("k")).content.decode()
    assert viewing.post(path("k", "edit/"), form)["Location"] == path("k")
    after = Entry.objects.get()
    assert (after.value, after.version, after.writer) == ('{"page": 3}', 2, "user vera")
    assert after.expires_at == before.expires_at
    entry = AuditEntry.objects.get(action="edited")
    assert (entry.who, entry.reason) == ("user vera", "load them again")
    assert entry.detail == "from version 1 to 2"

    answer = viewing.post(path("k", "edit/"), {**form, "value": '{"page": 1}'})
    assert answer.status_code == 422
    assert "it was written meanwhile" in answer.content.decode()
    assert "{&quot;page&quot;: 1}</textarea>" in answer.content.decode()
    assert Entry.objects.get().version == 2


@pytest.mark.parametrize(
    "text", ["", "null", "{", '{"a": 1, "a": 2}', "NaN", '"' + "x" * 70_000 + '"', "1 2", "[" * 600]
)
def test_what_is_no_value_is_told_and_kept_in_the_form(
    viewing: Client, viewer: User, text: str
) -> None:
    put("k", 1)
    may(viewer, "change_entry")
    answer = viewing.post(path("k", "edit/"), {"key": "k", "version": 1, "value": text})
    assert answer.status_code == 422
    assert "Nothing was changed" in answer.content.decode()
    assert Entry.objects.get().version == 1


def test_the_retention_is_extended_and_never_shortened(viewing: Client, viewer: User) -> None:
    put("k", 1, expiry=timedelta(days=2))
    before = Entry.objects.get()
    form = {"key": "k", "retention": "7", "reason": "the vendor is slow"}
    assert "Extend the retention" not in viewing.get(path("k")).content.decode()
    assert viewing.post(path("k", "extend/"), form).status_code == 403
    may(viewer, "change_entry")
    assert "Extend the retention" in viewing.get(path("k")).content.decode()
    assert viewing.post(path("k", "extend/"), form)["Location"] == path("k")
    after = Entry.objects.get()
    assert after.expires_at is not None
    assert timedelta(days=6.9) < after.expires_at - datetime.now(UTC) <= timedelta(days=7)
    assert after.expires_hour == int(after.expires_at.timestamp() // 3600)
    assert (after.value, after.version) == (before.value, before.version)
    entry = AuditEntry.objects.get(action="extended")
    assert (entry.who, entry.key, entry.reason) == ("user vera", "k", "the vendor is slow")

    viewing.post(path("k", "extend/"), {**form, "retention": "1"})
    assert Entry.objects.get().expires_at == after.expires_at
    viewing.post(path("k", "extend/"), {**form, "retention": "never"})
    assert (Entry.objects.get().expires_at, Entry.objects.get().expires_hour) == (None, None)
    viewing.post(path("k", "extend/"), {**form, "retention": "90"})
    assert Entry.objects.get().expires_at is None
    assert AuditEntry.objects.filter(action="extended").count() == 2
    assert "Extend the retention" not in viewing.get(path("k")).content.decode()


def test_only_what_is_there_is_extended(viewing: Client, viewer: User) -> None:
    put("k", 1)
    may(viewer, "change_entry")
    for form in ({"key": "k", "retention": "8"}, {"key": "k"}, {"key": "x", "retention": "7"}):
        assert viewing.post(path("k", "extend/"), form).status_code == 404
    expire(SCOPE, "k")
    assert viewing.post(path("k", "extend/"), {"key": "k", "retention": "7"}).status_code == 404
    assert viewing.get(path("k", "extend/")).status_code == 405


def test_rights_over_other_dags_do_not_reach_it(viewing: Client, viewer: User) -> None:
    put("k", 1)
    group = Group.objects.create(name="hr")
    may_write = Permission.objects.filter(codename__in=["change_entry", "delete_entry"])
    group.permissions.set(may_write)
    GroupReach.objects.create(group=group, dag_patterns="hr_*")
    sales = Group.objects.create(name="sales")
    GroupReach.objects.create(group=sales, dag_patterns="sales")
    sales.permissions.set(Permission.objects.filter(codename="view_entry"))
    viewer.user_permissions.clear()
    viewer.groups.set([group, sales])
    assert "Restore" not in viewing.get(path("k")).content.decode()
    for url in (path("k", "restore/"), clear_path("k")):
        assert viewing.post(url, {"key": "k", "version": 1}).status_code == 403
    sales.delete()
    assert viewing.get(path("k")).status_code in {403, 404}


def test_it_is_downloaded_as_it_was_sent(viewing: Client) -> None:
    put("k", {"a": 1})
    answer = viewing.get(path("k", "download/"))
    assert answer.content == b'{"a": 1}'
    assert answer["Content-Disposition"] == 'attachment; filename="value.json"'


def test_a_value_is_shown_as_the_address_says(viewing: Client, viewer: User) -> None:
    put("k", {"a": {"b": [1, 2]}})
    put("plain", 12)
    html = {form: viewing.get(f"{path('k')}&as={form}").content.decode() for form in FORMS}
    assert ' open><summary><span class="jk">&quot;a&quot;</span>' in html["tree"]
    assert '<div class="tree"' not in html["pretty"] + html["raw"]
    assert "as it was sent" in html["raw"]
    for form, page in html.items():
        assert f'as={form}" aria-current="true"' in page
    assert viewing.get(path("k")).content.decode().count("&amp;as=") == 3
    for page in (f"{path('plain')}&as=tree", f"{path('k')}&as=%00"):
        assert 'as=pretty" aria-current="true"' in viewing.get(page).content.decode()
    assert "&amp;as=tree" not in viewing.get(path("plain")).content.decode()

    may(viewer, "change_entry")
    sent = {"key": "k", "version": 1, "value": "{"}
    wrong = viewing.post(path("k", "edit/"), sent).content.decode()
    assert f'href="{path("k")}&amp;as=tree"' in wrong


def test_an_asset_key_has_a_tree_too(viewing: Client) -> None:
    asset, _ = services.asset_register(name="orders", uri="s3://lake/orders")
    put("k", {"rows": list(range(300))}, AssetScope(asset.id))
    html = viewing.get(f"/assets/{asset.id}/k/?key=k&as=tree").content.decode()
    assert f'100 more items in the <a href="/assets/{asset.id}/k/?key=k&amp;as=raw">' in html


def test_what_is_not_there_is_not_found(viewing: Client) -> None:
    put("k", 1)
    for key in ("", "other", "a\0b"):
        assert viewing.get(path(key)).status_code == 404


def test_markup_is_shown_as_text(viewing: Client) -> None:
    put(EVIL, EVIL)
    put(EVIL, [EVIL])
    for form in FORMS:
        html = viewing.get(f"{path(EVIL)}&as={form}").content.decode()
        assert EVIL not in html
    assert "&lt;script&gt;" in html


def test_live_and_task_show_rate_and_eta(viewing: Client) -> None:
    put("progress", {"current": 400, "total": 1000, "unit": "rows"})
    ProgressSample.objects.all().delete()
    now = datetime.now(UTC)
    for ago, done in ((30, 100), (20, 200), (10, 300), (0, 400)):
        ProgressSample.objects.create(
            task_instance_id=id_of(SCOPE), at=now - timedelta(seconds=ago), attempt=0,
            done=done, total=1000,
        )  # fmt: skip
    for page in ("/", f"/t/{id_of()}/"):
        html = viewing.get(page).content.decode()
        assert "10 rows/s" in html
        assert "ETA" in html
        assert ('class="spark run"' in html) is (page == "/")
    assert 'class="chart"' in html


def versions_of(*values: str) -> list[Version]:
    """The newest first, as they are read."""
    now = datetime.now(UTC)
    return [Version(n, value, now, "", None) for n, value in enumerate(values)][::-1]


def changed(old: str, new: str) -> list[Line] | None:
    return steps_of(versions_of(old, new))[0].changed


def test_long_values_are_not_compared() -> None:
    assert changed("1", '"' + "x" * 30_000 + '"') is None
    assert changed("[" + "1," * 900 + "1]", "[2]") is None
    assert changed("[" + "1," * 9_000 + "1]", "[2]") is None
    assert changed("1", "1") == []
    assert changed("1", "2") == [Line("-", "1"), Line("+", "2")]


def test_commas_in_a_text_make_no_value_long() -> None:
    old, new = (json.dumps({"note": 'a, quoted " note, ' * 400, "page": page}) for page in (1, 2))
    lines = changed(old, new)
    assert lines is not None
    assert [line.text.strip() for line in lines if line.sign] == ['"page": 1', '"page": 2']


@pytest.mark.parametrize(
    ("values", "points"),
    [
        (["1", "2", "4"], "0,140 300,93.3 600,0"),
        (["1", "1"], "0,140 600,140"),
        (['{"n": 1, "s": "x"}', '{"n": 3}'], "0,140 600,0"),
        (["1"], None),
        (["1", '"x"'], None),
        (["true", "false"], None),
        (["1", "1" + "0" * 400], None),
    ],
)
def test_a_number_in_every_version_is_drawn(values: list[str], points: str | None) -> None:
    curve = curve_of(versions_of(*values), None)
    assert (curve and curve.points) == points


def test_its_fragment_is_empty_while_it_shows_all_there_is(viewing: Client, viewer: User) -> None:
    may(viewer, "change_entry")
    put("page", 1)
    fragment = f"/fragments{path('page')}"
    for change in (
        lambda: put("page", 1),
        lambda: put("page", 2),
        lambda: services.entry_extend(
            scope=SCOPE, key="page", retention=NEVER_EXPIRE, writer=Writer("user vera")
        ),
    ):
        cursor = viewing.get(fragment).context["page"].cursor
        assert viewing.get(f"{fragment}&cursor={cursor}").status_code == 204
        change()
        watcher.forget()
        assert viewing.get(f"{fragment}&cursor={cursor}").status_code == 200


def test_a_task_and_an_asset_of_one_number_are_told_apart(viewing: Client) -> None:
    put("mark", "of the task")
    asset, _ = services.asset_register(name="orders", uri="s3://orders")
    Asset.objects.filter(pk=asset.id).update(id=id_of())
    put("mark", "of the asset", AssetScope(id_of()))
    for owner, said in (("t", "task"), ("assets", "asset"), ("t", "task")):
        html = viewing.get(f"/{owner}/{id_of()}/k/?key=mark").content.decode()
        assert f"of the {said}" in html


def test_a_version_that_looks_like_a_secret_is_not_restored(
    viewing: Client, viewer: User, settings: Settings
) -> None:
    may(viewer, "change_entry")
    put("config", {"password": "correct horse"})
    put("config", 1)
    settings.STATESTORE_REFUSE_SECRETS = True
    form = {"key": "config", "version": 1}
    said = viewing.post(path("config", "restore/"), form, follow=True).content.decode()
    assert "Version 1 was not restored: " in said
    assert "correct horse" not in said
    assert Entry.objects.get().value == "1"


@pytest.mark.parametrize("start", ["t", "assets", "runs", "fragments/t"])
def test_a_number_that_no_database_holds_is_not_found(viewing: Client, start: str) -> None:
    assert viewing.get(f"/{start}/{10**20 - 1}/").status_code == 404
    assert viewing.get(f"/{start}/{10**20 - 1}/k/?key=x").status_code == 404
