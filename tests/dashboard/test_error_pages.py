"""What a browser shows where a request is refused before any page sees it."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.dashboard.test_rights import NOTICE


def test_a_form_of_another_log_in_says_what_to_do(viewer: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(viewer)
    client.get("/")
    for path in ("/retention/sweep/", "/secrets/dismiss/", "/logout/", "/admin/logout/"):
        answer = client.post(path, {"csrfmiddlewaretoken": "a" * 64})
        html = answer.content.decode()
        assert answer.status_code == 403
        assert "Your sign-in has changed since this page was opened" in html
        assert NOTICE in html
        assert '<nav class="nav"' in html
    token = str(client.get("/").context["csrf_token"])
    assert client.post("/logout/", {"csrfmiddlewaretoken": token})["Location"] == "/login/"


def test_what_cannot_be_read_has_a_page(viewing: Client, caplog: pytest.LogCaptureFixture) -> None:
    many = {f"q{number}": 1 for number in range(1001)}
    for answer in (
        viewing.get("/", many),
        Client().post("/login/", many),
        Client().get("/login/", headers={"host": "state.example.com"}),
    ):
        html = answer.content.decode()
        assert answer.status_code == 400
        assert "The server cannot read this" in html
        assert NOTICE in html
    # Whoever names another host could fill the log with it.
    assert "state.example.com" not in caplog.text
