"""People who look at the pages, and a real Chromium."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.test import Client
from playwright.sync_api import Browser, Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

from dashboard.lookers import forget_lookers
from dashboard.secret_count import forget_counts
from tests.chromium import ARGUMENTS, REMEDY, find_chromium
from tests.missing import missing


@pytest.fixture(autouse=True)
def _fresh_lookers() -> None:
    """No test sees who looked on in another one, or what they were told of secrets."""
    forget_lookers()
    forget_counts()


@pytest.fixture
def viewer(db: None) -> User:
    """A user who may view, and nothing else."""
    user = User.objects.create_user("vera", password="vera-likes-long-ones")
    user.user_permissions.add(Permission.objects.get(codename="view_entry"))
    return user


@pytest.fixture
def viewing(viewer: User) -> Client:
    """A client that is logged in as the viewer."""
    client = Client()
    client.force_login(viewer)
    return client


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A running Chromium."""
    path = find_chromium()
    if path is None:
        missing("Chromium", REMEDY)
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright keeps an event loop in this thread, where Django then refuses its ORM.
        patch.setitem(os.environ, "DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        running = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the page's console complained of: blocked scripts and styles, errors, failed requests."""
    return []


@contextmanager
def open_page(browser: Browser, url: str, session: str, complaints: list[str]) -> Iterator[Page]:
    """A page of whoever has this session, for paths of the site. Any complaint fails the test."""
    context = browser.new_context(base_url=url, color_scheme="light")
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": url}])
    page = context.new_page()
    page.on(
        "console",
        lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None,
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == []


@pytest.fixture
def page(
    live_server: LiveServer, viewing: Client, browser: Browser, complaints: list[str]
) -> Iterator[Page]:
    """A page of a logged-in viewer; use paths of the site. Any complaint fails the test."""
    session = viewing.cookies[settings.SESSION_COOKIE_NAME].value
    with open_page(browser, live_server.url, session, complaints) as page:
        yield page
