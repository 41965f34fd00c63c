"""Pictures of the pages, for people: taken where STATESTORE_TEST_PICTURES names a folder for them."""

import os
from pathlib import Path

from playwright.sync_api import Page

_FOLDER = os.environ.get("STATESTORE_TEST_PICTURES", "")


def picture(page: Page, name: str, *, whole: bool = True) -> None:
    """A picture of the whole page, or of what is in sight."""
    if _FOLDER:
        page.screenshot(path=Path(_FOLDER) / f"{name}.png", full_page=whole)
