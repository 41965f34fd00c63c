"""The page of an asset's key: as that of a task's key, but that it never expires."""

from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from statestore import services
from statestore.models import AssetEntry, AuditEntry, GroupReach
from statestore.protocol import AssetScope
from tests.dashboard.data import EVIL, put


@pytest.fixture
def number(db: None) -> int:
    """An asset whose watermark has moved twice."""
    found, _ = services.asset_register(name="orders", uri="s3://lake/orders")
    for day in (1, 2, 3):
        put("watermark", {"day": day, "note": EVIL}, AssetScope(found.id))
    return found.id


def path(number: int, rest: str = "", key: str = "watermark") -> str:
    return f"/assets/{number}/k/{rest}?{urlencode({'key': key})}"


def test_it_shows_versions_and_how_to_read_it(viewing: Client, number: int) -> None:
    html = viewing.get(path(number)).content.decode()
    assert "<ins>+   &quot;day&quot;: 3," in html
    assert "day over its versions" in html
    assert "store.asset(&#x27;orders&#x27;).get(&#x27;watermark&#x27;)" in html
    assert f"/api/v2/assets/{number}/state-store/watermark" in html
    assert "<script>alert" not in html
    assert "Restore" not in html
    assert path(number) in viewing.get(f"/assets/{number}/").content.decode()
    assert viewing.get(path(number, key="other")).status_code == 404
    assert viewing.get(path(number + 1)).status_code == 404
    assert viewing.get(path(number, "download/")).json()["day"] == 3


def test_an_old_version_is_restored(viewing: Client, viewer: User, number: int) -> None:
    form = {"key": "watermark", "version": 1, "reason": "load it again"}
    assert viewing.post(path(number, "restore/"), form).status_code == 403
    viewer.user_permissions.add(Permission.objects.get(codename="change_entry"))
    assert viewing.post(path(number, "restore/"), form)["Location"] == path(number)
    html = viewing.get(path(number)).content.decode()
    assert "Version 1 is restored, as version 4." in html
    assert "Extend the retention" not in html
    assert AssetEntry.objects.get().value.startswith('{"day": 1')
    entry = AuditEntry.objects.get(action="restored")
    assert (entry.asset, entry.key, entry.reason) == ("orders", "watermark", "load it again")
    for version in ("99", "x"):
        answer = viewing.post(path(number, "restore/"), {**form, "version": version})
        assert answer.status_code == 404


def test_the_dialog_says_what_clearing_it_means_for_an_asset(
    viewing: Client, viewer: User, number: int
) -> None:
    viewer.user_permissions.add(Permission.objects.get(codename="delete_entry"))
    put("progress", 1, AssetScope(number))
    for key in ("watermark", "progress"):
        url = f"/assets/{number}/clear-key/?key={key}"
        html = viewing.get(url).content.decode()
        assert f"Whoever goes on from {key} starts from the beginning." in html
        for of_tasks in ("a retry", "Live until"):
            assert of_tasks not in html
        viewing.post(url)
    assert not AssetEntry.objects.exists()


def test_who_reaches_other_assets_alone_does_not_see_it(
    viewing: Client, viewer: User, number: int
) -> None:
    group = Group.objects.create(name="hr")
    group.permissions.set(Permission.objects.filter(content_type__app_label="statestore"))
    GroupReach.objects.create(group=group, dag_patterns="*", asset_patterns="hr_*")
    viewer.user_permissions.clear()
    viewer.groups.add(group)
    assert viewing.get(path(number)).status_code == 404
    form = {"key": "watermark", "version": 1}
    assert viewing.post(path(number, "restore/"), form).status_code == 404


def test_what_looks_like_a_secret_is_hidden(viewing: Client, number: int) -> None:
    put("settings", {"password": "correct horse battery"}, AssetScope(number))
    services.scan_secrets()
    html = viewing.get(path(number, key="settings")).content.decode()
    assert "hidden: possible secret" in html.replace("&quot;", "")
    assert "horse" not in html
    answer = viewing.get(path(number, "download/", "settings"))
    assert answer.status_code == 403
    assert "It looks like a secret" in answer.content.decode()
    assert path(number, key="settings") in viewing.get("/secrets/").content.decode()
