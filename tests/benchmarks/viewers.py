"""What people who look on cost those who write: PUT beside 200 browsers on a page, and without them."""

import re
import statistics
import subprocess
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar
from pathlib import Path

from tests.benchmarks.load import Target, measure, wrk
from tests.benchmarks.requests import entry_target
from tests.benchmarks.servers import statestore
from tests.postgresql import postgresql
from tests.server import Server

VIEWERS = 200
EVERY = 1000  # milliseconds, as the pages ask while something changes
USER, PASSWORD = "bench", "a password of the benchmark alone"

_POLLS = """
local cursor, page = "", ""
function init(args) page = args[1] end
function delay() return %(every)d end
function request()
    return wrk.format("GET", page .. "?cursor=" .. cursor, {["Cookie"] = "%(cookie)s"})
end
function response(status, headers, body)
    local found = body:match('data%%-cursor="([^"]+)"')
    if found then cursor = found end
end
"""


def main(quick: bool = False) -> None:
    """Measure, and print."""
    seconds, rounds = (4.0, 3) if quick else (8.0, 5)
    with postgresql() as database, statestore(database) as server:
        target = entry_target("statestore", server, "progress", "PUT")
        cookie = log_in(server)
        measure([target], connections=8, seconds=1, rounds=1)
        for name, page in _pages(server, cookie).items():
            alone, watched = [], []
            for _ in range(rounds):
                alone.append(_rate(target, seconds))
                with _viewers(server, page, cookie):
                    watched.append(_rate(target, seconds))
            ratio = statistics.median(watched) / statistics.median(alone)
            print(  # noqa: T201
                f"{VIEWERS} on {name:5} PUT {statistics.median(alone):6.0f} a second alone,"
                f" {statistics.median(watched):6.0f} beside them: {ratio:.2f}",
                flush=True,
            )


def _rate(target: Target, seconds: float) -> float:
    return measure([target], connections=8, seconds=seconds, rounds=1)["statestore"].rate


def log_in(server: Server) -> str:
    """A session of a user who may see everything; its cookie."""
    make = (
        "from django.contrib.auth.models import User;"
        f"User.objects.create_superuser({USER!r}, password={PASSWORD!r})"
    )
    server.manage("shell", "-c", make)
    jar = CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    browser.open(f"{server.url}/login/").read()
    token = next(cookie.value for cookie in jar if cookie.name == "csrftoken")
    form = {"username": USER, "password": PASSWORD, "csrfmiddlewaretoken": token}
    browser.open(f"{server.url}/login/", urllib.parse.urlencode(form).encode()).read()
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)


def _pages(server: Server, cookie: str) -> dict[str, str]:
    """The fragments that are polled: the list that shows every write, and one task."""
    request = urllib.request.Request(f"{server.url}/", headers={"Cookie": cookie})
    html = urllib.request.urlopen(request).read().decode()
    task = re.search(r'href="(/t/[^"/]+/)"', html)
    assert task is not None
    return {"Live": "/fragments/live/", "Task": f"/fragments{task[1]}"}


@contextmanager
def _viewers(server: Server, page: str, cookie: str) -> Iterator[None]:
    with tempfile.TemporaryDirectory() as name:
        script = Path(name) / "polls.lua"
        script.write_text(_POLLS % {"every": EVERY, "cookie": cookie})
        command = [
            wrk(),
            "-t1",
            f"-c{VIEWERS}",
            "-d600s",
            "-s",
            str(script),
            server.url,
            "--",
            page,
        ]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.terminate()
            process.wait()
