"""Assets, and the page of one."""

from django.contrib.auth.models import Permission, User
from django.test import Client

from dashboard.watch import watcher
from statestore import services
from statestore.models import AssetEntry, AuditEntry
from statestore.protocol import AssetScope
from statestore.services import Writer
from tests.dashboard.data import EVIL
from tests.dashboard.test_live import names


def asset(name: str, **entries: str) -> int:
    found, _ = services.asset_register(name=name, uri=f"s3://lake/{name}")
    for key, value in entries.items():
        services.entry_set(
            scope=AssetScope(found.id), key=key, value=value, decoded=None, writer=Writer("worker")
        )
    return found.id


def test_an_asset_is_a_row_with_its_watermark(viewing: Client) -> None:
    asset("orders", watermark='"2026-11-19"', rows="12")
    asset("empty")
    html = viewing.get("/assets/").content.decode()
    assert names(html) == ["empty", "orders"]
    assert "&quot;2026-11-19&quot;" in html
    first, second = viewing.get("/assets/").context["page"].rows
    assert (first.of.key_count, first.of.newest) == (0, None)
    assert (second.of.key_count, second.of.newest.writer) == (2, "worker")
    assert second.of.newest.key == "rows"


def test_what_stands_for_a_watermark_is_named(viewing: Client) -> None:
    for name, entries, key in (
        ("orders", {"watermark": "7", "rows": "12"}, "watermark"),
        ("plain", {"rows": "12", "rejected": "3"}, "rejected"),
    ):
        html = viewing.get(f"/assets/{asset(name, **entries)}/").content.decode()
        mark = html.partition("<dt>Watermark</dt>")[2].partition("</dd>")[0]
        assert mark.endswith(f'>{entries[key]}<span class="faint clip">{key}</span>')
    html = viewing.get(f"/assets/{asset('empty')}/").content.decode()
    assert '<dt>Watermark</dt><dd class="wide mono">none</dd>' in html


def test_assets_are_filtered_and_paged(viewing: Client) -> None:
    for number in range(60):
        asset(f"asset-{number:02}")
    assert names(viewing.get("/assets/?q=LAKE/asset-07").content.decode()) == ["asset-07"]
    assert "No asset matches" in viewing.get("/assets/?q=nothing").content.decode()
    first = viewing.get("/assets/").context["page"]
    second = viewing.get(f"/assets/?after={first.next_after}").context["page"]
    assert (len(first.rows), len(second.rows), second.next_after) == (50, 10, "")


def test_every_key_of_an_asset_can_be_reached(viewing: Client) -> None:
    keys = [f"part-{number:03}" for number in range(205)]
    page, seen = f"/assets/{asset('orders', **dict.fromkeys(keys, '1'))}/", []
    url = page
    while url:
        shown = viewing.get(url).context["page"]
        seen += [item.entry.key for item in shown.entries]
        url = f"{page}?after_key={shown.next_key}" if shown.next_key else ""
    assert seen == keys
    answer = viewing.get(f"{page}?key=part-20")
    assert [item.entry.key for item in answer.context["page"].entries] == keys[200:]
    assert "205 keys" in answer.content.decode()
    assert "No key begins with other" in viewing.get(f"{page}?key=other").content.decode()
    html = viewing.get(f"{page}?key=part").content.decode()
    assert '?key=part&amp;after_key=part-099"' in html


def test_only_who_may_clear_clears_an_asset_or_a_key(viewing: Client, viewer: User) -> None:
    number = asset("orders", watermark="1", rows="2")
    url, key_url = f"/assets/{number}/clear/", f"/assets/{number}/clear-key/?key=rows"
    assert "clear" not in viewing.get(f"/assets/{number}/").content.decode()
    assert viewing.post(url, {"typed": "orders"}).status_code == 403
    assert viewing.post(key_url).status_code == 403
    viewer.user_permissions.add(Permission.objects.get(codename="delete_entry"))
    watcher.forget()
    assert url in viewing.get(f"/assets/{number}/").content.decode()
    assert viewing.post(key_url).status_code == 302
    assert viewing.get(key_url).status_code == 404
    assert viewing.post(url, {"typed": "order"}).status_code == 422
    assert AssetEntry.objects.count() == 1
    assert viewing.post(url, {"typed": "orders", "reason": "renamed"}).status_code == 302
    assert AssetEntry.objects.count() == 0
    kept = (
        AuditEntry.objects.filter(asset="orders")
        .order_by("pk")
        .values_list("action", "asset", "key", "reason")
    )
    assert list(kept) == [
        ("cleared_key", "orders", "rows", ""),
        ("cleared", "orders", "", "renamed"),
    ]


def test_markup_in_names_of_assets_is_text(viewing: Client) -> None:
    number = asset(EVIL, **{EVIL: '"<script>alert(1)</script>"'})
    for path in ("/assets/", f"/assets/{number}/"):
        assert "<script>alert" not in viewing.get(path).content.decode()
