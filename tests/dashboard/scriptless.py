"""A browser that runs no scripts."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page


@contextmanager
def without_scripts(browser: Browser, of: Page, url: str) -> Iterator[Page]:
    """A page of the site at this URL, for the person of another page."""
    context = browser.new_context(
        base_url=url, java_script_enabled=False, storage_state=of.context.storage_state()
    )
    yield context.new_page()
    context.close()
