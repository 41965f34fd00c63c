"""Clearing in a real Chromium: a dialog tells what is lost, and asks to type the name."""

import pytest
from django.contrib.auth.models import Permission, User
from playwright.sync_api import Page, expect

from statestore.models import Entry
from tests.dashboard.data import id_of, put

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
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/runs/")
    page.get_by_role("link", name="run-1").click()
    page.get_by_role("link", name="ingest").click()
    page.get_by_role("link", name="Clear progress").click()
    page.get_by_role("dialog").get_by_role("button", name="Clear 1 key").click()
    expect(page.get_by_text("Cleared 1 key.")).to_be_visible()
    assert [entry.key for entry in Entry.objects.all()] == ["job_id"]
