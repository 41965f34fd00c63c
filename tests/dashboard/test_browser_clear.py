"""Clearing in a real Chromium: a dialog tells what is lost, and asks to type the name."""

import pytest
from django.contrib.auth.models import Permission, User
from playwright.sync_api import Page, expect

from statestore.models import Entry
from statestore.protocol import TaskScope
from tests.dashboard.data import SCOPE, id_of, put, silence

pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True)
def _keys(transactional_db: None, viewer: User) -> None:
    put("progress", {"current": 10, "total": 100})
    put("job_id", "app-42")
    viewer.user_permissions.add(Permission.objects.get(codename="delete_entry"))


def test_a_dialog_tells_what_is_lost_and_asks_for_the_name(page: Page) -> None:
    page.goto(f"/t/{id_of()}/")
    dialog = page.get_by_role("dialog")
    page.get_by_role("link", name="Clear job_id").click()
    expect(dialog).to_contain_text("It loses job_id: a retry may submit a second job.")
    dialog.get_by_role("link", name="Keep the key").click()
    expect(dialog).to_be_hidden()
    page.get_by_role("link", name="Clear job_id").click()
    dialog.get_by_role("button", name="Clear 1 key").click()
    expect(page.get_by_text("Cleared 1 key.")).to_be_visible()
    expect(page.get_by_role("rowheader", name="job_id")).to_have_count(0)

    page.get_by_role("link", name="Clear keys…").click()
    button = dialog.get_by_role("button", name="Clear 1 key")
    expect(button).to_be_disabled()
    dialog.get_by_label("Type the task id to confirm").fill("ingest")
    expect(button).to_be_enabled()
    button.click()
    expect(page.get_by_text("They were cleared or have expired")).to_be_visible()
    assert Entry.objects.count() == 0


def test_on_a_phone_the_stuck_task_is_found_and_its_key_cleared(page: Page) -> None:
    put("progress", {"current": 61, "total": 100, "message": "waiting for stage 61"})
    silence(SCOPE, minutes=11)
    for number in range(5):
        put("progress", {"current": number}, TaskScope("etl", "run-1", f"load_{number}"))
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/")
    row = page.locator("table.grid tr[id]").first
    expect(row).to_be_in_viewport(ratio=1)
    for said in ("ingest", "Stalled", "61 %", "waiting for stage 61", "11 min ago"):
        expect(row).to_contain_text(said)
    row.get_by_role("link", name="ingest").click()
    facts = page.locator(".facts")
    expect(facts).to_be_in_viewport(ratio=1)
    expect(facts).to_contain_text("11 min ago")
    page.get_by_role("link", name="Clear progress").click()
    page.get_by_role("dialog").get_by_role("button", name="Clear 1 key").click()
    expect(page.get_by_text("Cleared 1 key.")).to_be_in_viewport()
    assert not Entry.objects.filter(task_instance=id_of(), key="progress").exists()
