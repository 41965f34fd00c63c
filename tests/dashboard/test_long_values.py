"""Long values: each is drawn whole at most once, and where it is not, one finds all of it."""

import json
import re
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Page, expect

from dashboard.history import CHANGED_MAX, FIELDS_MAX
from dashboard.jsonview import BEGINNING, json_view
from tests.dashboard.data import id_of, put

NUMBERS = {f"field_{number:04}": number for number in range(1_200)}
TEXT = "word " * 13_000


def html_of(client: Client, path: str) -> str:
    return client.get(path).content.decode()


def test_among_others_the_beginning_is_drawn_plainly() -> None:
    text = json.dumps(NUMBERS)
    view, whole = json_view(text), json_view(text, whole=True)
    assert (view.cut, view.folded, whole.cut) == (True, True, False)
    assert unescape(view.html) == f"{text[:BEGINNING]}…"
    assert "field_1199" in whole.html
    assert not json_view(json.dumps("x" * 3_000)).cut


def test_the_page_of_a_key_draws_the_value_and_of_its_versions_the_beginning(
    viewing: Client, viewer: User
) -> None:
    for number in range(21):
        put("config", NUMBERS | {"field_0000": number})
    path = f"/t/{id_of()}/k/?key=config"
    html = html_of(viewing, path)
    assert html.count("field_1199") == 1
    assert html.count('<span class="jk">') == 1_200
    link = f"/t/{id_of()}/k/download/?key=config&version=3"
    assert link in unescape(html)
    assert json.loads(viewing.get(link).content)["field_0000"] == 2
    assert viewing.get(f"/t/{id_of()}/k/download/?key=config&version=99").status_code == 404


def test_differences_and_fields_of_a_chart_end_somewhere(viewing: Client) -> None:
    for number in range(2):
        put("config", {f"f{index}": index + number for index in range(300)})
    html = html_of(viewing, f"/t/{id_of()}/k/?key=config")
    assert html.count("<ins>") + html.count("<del>") <= CHANGED_MAX
    assert re.search(r"5\d\d more lines changed", html)
    assert html.count("field=f") == FIELDS_MAX


def test_a_secret_is_in_no_version_that_is_downloaded(viewing: Client) -> None:
    put("config", {"password": "correct horse battery"})
    put("config", {"rows": 1})
    answer = viewing.get(f"/t/{id_of()}/k/download/?key=config&version=1")
    assert answer.status_code == 403


def test_the_page_of_a_task_holds_no_long_value_whole(viewing: Client) -> None:
    for number in range(20):
        put(f"log_{number}", TEXT)
    html = html_of(viewing, f"/t/{id_of()}/")
    assert len(html) < 20 * 2 * BEGINNING
    assert "All of it, 65.0 kB" in html


@pytest.mark.browser
def test_a_long_value_is_fetched_to_be_copied(page: Page, transactional_db: None) -> None:
    put("log", TEXT)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"/t/{id_of()}/")
    said, link = page.locator("#announce"), page.get_by_role("link", name="log", exact=True)

    def copied() -> object:
        expect(said).to_have_text("Copied")
        text = page.evaluate("navigator.clipboard.readText()")
        page.evaluate("navigator.clipboard.writeText('')")
        said.evaluate("said => { said.textContent = ''; }")
        return json.loads(text)

    page.get_by_role("button", name="Copy value of log").click()
    assert copied() == TEXT
    link.focus()
    page.keyboard.press("c")
    assert copied() == TEXT
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Copy value").click()
    assert copied() == TEXT
