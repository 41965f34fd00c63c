"""A server that says when to come back is not asked before that, and not waited for too long."""

import time

import httpx
import pytest

from statestore.protocol import TIME_HEADER
from statestore.sdk import UnreachableError
from statestore.sdk.requests import Request
from statestore.sdk.transport import HttpTransport

Pauses = list[float]
DATE = {"Date": "Sat, 21 Nov 2026 06:00:00 GMT"}


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> Pauses:
    """How long was waited, by a clock that nothing else moves."""
    waited: Pauses = []
    monkeypatch.setattr(time, "monotonic", lambda: sum(waited))
    monkeypatch.setattr(time, "sleep", waited.append)
    return waited


def transport(*refusals: dict[str, str], retry_seconds: float = 300.0) -> HttpTransport:
    """Sends to a server that refuses so often, with these headers, and then answers."""
    left = list(refusals)

    def answer(_: httpx.Request) -> httpx.Response:
        if left:
            return httpx.Response(503, headers=left.pop(0))
        return httpx.Response(200, headers={TIME_HEADER: "1.5"})

    return HttpTransport(
        "http://server", "token", retry_seconds=retry_seconds, http=httpx.MockTransport(answer)
    )


@pytest.mark.parametrize("method", ["GET", "PUT"])  # a PUT looks at the server's clock first
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "60"}, 60),
        ({"Retry-After": "Sat, 21 Nov 2026 06:00:40 GMT", **DATE}, 40),
        ({"Retry-After": "Sat, 21 Nov 2026 05:00:00 GMT", **DATE}, 0),
        ({"Retry-After": "soon"}, 0),
        ({"Retry-After": "Sat, 21 Nov 2026 06:00:40 -0000", **DATE}, 0),
        ({}, 0),
    ],
    ids=str,
)
def test_the_time_that_the_server_says_is_waited_for(
    pauses: Pauses, headers: dict[str, str], seconds: float, method: str
) -> None:
    for _ in range(5):  # the jitter differs
        pauses.clear()
        assert transport(headers, headers).send(Request(method, "/x")).status == 200
        assert len(pauses) == 2
        assert all(seconds <= pause <= seconds + 0.2 for pause in pauses)


def test_a_date_is_read_by_the_own_clock_where_the_answer_tells_none(pauses: Pauses) -> None:
    headers = {"Retry-After": "Sat, 21 Nov 2099 06:00:40 GMT"}
    with pytest.raises(UnreachableError, match="asks to wait"):
        transport(headers).send(Request("GET", "/x"))


@pytest.mark.parametrize(
    "after", [{"Retry-After": "301"}, {"Retry-After": "Sat, 21 Nov 2026 06:10:00 GMT", **DATE}]
)
def test_nobody_is_waited_for_beyond_the_time_that_was_allowed(
    pauses: Pauses, after: dict[str, str]
) -> None:
    with pytest.raises(UnreachableError, match=r"asks to wait for (301|600) s"):
        transport(after).send(Request("GET", "/x"))
    assert pauses == [0.0]


def test_the_jitter_is_cut_where_it_would_be_too_late(pauses: Pauses) -> None:
    sent = transport({"Retry-After": "10"}, retry_seconds=10).send(Request("GET", "/x"))
    assert sent.status == 200
    assert pauses == [10.0]
