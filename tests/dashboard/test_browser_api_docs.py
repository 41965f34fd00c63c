"""The page of the REST API: Swagger UI within the site's CSP, with the session of who looks at it."""

from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from statestore.api.openapi.operations import OPERATIONS
from tests.dashboard.pictures import picture

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_shows_every_operation_and_the_banner(
    page: Page, theme: Literal["light", "dark"]
) -> None:
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    page.goto("/api/v2/docs")
    expect(page.get_by_label("Storage notice")).to_contain_text("Values are stored unencrypted")
    expect(page.locator(".opblock")).to_have_count(len(OPERATIONS))
    page.locator("#operations-Batch-apply_batch .opblock-summary").click()
    expect(page.locator("#operations-Batch-apply_batch .responses-table").first).to_be_visible()
    picture(page, f"api-docs-{theme}")


def test_a_request_goes_out_with_the_session(page: Page) -> None:
    page.goto("/api/v2/docs")
    operation = page.locator("#operations-Search-search_task_instances")
    operation.locator(".opblock-summary").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table")).to_contain_text('"task_instances"')


def test_a_write_carries_the_csrf_token(page: Page, complaints: list[str]) -> None:
    """The viewer lacks a right: so it was not the token that was missed."""
    page.goto("/api/v2/docs")
    operation = page.locator("#operations-Assets-register_asset")
    operation.locator(".opblock-summary").click()
    operation.get_by_role("button", name="Try it out").click()
    with page.expect_response("**/api/v2/assets") as answered:
        operation.get_by_role("button", name="Execute").click()
    assert answered.value.status == 403
    assert "right to write" in answered.value.json()["detail"]
    expect(operation.locator(".live-responses-table")).to_contain_text("right to write")
    complaints[:] = [said for said in complaints if "403" not in said]
