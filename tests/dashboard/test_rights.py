"""Who may see what."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.dashboard.data import id_of, put

NOTICE = (
    "<strong>Values are stored unencrypted:</strong>"
    " never write passwords, tokens or personal data into task state."
)


@pytest.fixture
def paths(db: None) -> list[str]:
    put("progress", {"current": 1})
    return ["/", f"/t/{id_of()}/", "/runs/", f"/runs/{id_of()}/", "/assets/", "/retention/"]


def test_pages_ask_for_a_login_and_lead_back(client: Client, paths: list[str]) -> None:
    for path in paths:
        answer = client.get(path)
        assert (answer.status_code, answer["Location"]) == (302, f"/login/?next={path}")


@pytest.mark.parametrize(
    ("sent_from", "leads_to"),
    [
        ("http://testserver/secrets/?state=dismissed", "/secrets/%3Fstate%3Ddismissed"),
        ("https://example.com/secrets/", "/"),
        ("", "/"),
    ],
)
def test_a_form_of_nobody_leads_back_to_its_page(
    client: Client, db: None, sent_from: str, leads_to: str
) -> None:
    answer = client.post("/secrets/dismiss/", headers={"referer": sent_from})
    assert (answer.status_code, answer["Location"]) == (302, f"/login/?next={leads_to}")


def test_fragments_of_nobody_answer_401(client: Client, paths: list[str]) -> None:
    for path in paths:
        fragment = "/fragments/live/" if path == "/" else f"/fragments{path}"
        answer = client.get(fragment)
        assert (answer.status_code, answer.content) == (401, b"")


def test_a_browser_keeps_nothing_of_a_page(viewing: Client, paths: list[str]) -> None:
    """Who goes Back after signing out sees no values."""
    key = f"{paths[1]}k/"
    paths += [f"{key}?key=progress", f"{key}download/?key=progress", "/secrets/"]
    for path in [*paths, "/fragments/live/", f"/fragments{key}?key=progress"]:
        answer = viewing.get(path)
        assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store"), path


def test_without_the_right_the_page_names_it(client: Client, paths: list[str]) -> None:
    client.force_login(User.objects.create_user("noor"))
    for path in paths:
        answer = client.get(path)
        assert answer.status_code == 403
        assert (
            "lacks the right to view task state (statestore.view_entry)" in answer.content.decode()
        )
    assert client.get("/fragments/live/").status_code == 403


def test_a_login_leads_to_the_page(client: Client, viewer: User) -> None:
    form = {"username": "vera", "password": "vera-likes-long-ones", "next": "/?state=failed"}
    assert client.post("/login/", form)["Location"] == "/?state=failed"


def test_a_wrong_password_is_told(client: Client, viewer: User) -> None:
    answer = client.post("/login/", {"username": "vera", "password": "wrong"})
    assert "User name or password is wrong" in answer.content.decode()


def test_a_logout_leads_to_the_login(viewing: Client) -> None:
    assert viewing.post("/logout/")["Location"] == "/login/"


def test_the_notice_is_on_every_page(client: Client, viewing: Client, paths: list[str]) -> None:
    for path in [*paths, "/safe/", "/missing/"]:
        assert NOTICE in viewing.get(path).content.decode()
    for path in ("/login/", "/safe/", "/admin/login/"):
        assert NOTICE in client.get(path).content.decode()


def test_an_error_has_a_page(viewing: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("statestore.queries.live_figures", lambda _, **__: 1 / 0)
    viewing.raise_request_exception = False
    answer = viewing.get("/")
    assert answer.status_code == 500
    assert NOTICE in answer.content.decode()
