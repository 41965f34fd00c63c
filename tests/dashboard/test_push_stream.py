"""One stream of pushed events, without a server: what it tells, when it waits, and how it ends."""

import asyncio
import time
import zlib
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from dashboard import push
from dashboard.polls import Fragment, Poll, Standing
from dashboard.push import Pushes
from dashboard.watch import watcher
from statestore.access import Principal
from statestore.queries import Amount
from tests.threads import run_async

ENVIRON = {
    "REQUEST_METHOD": "GET",
    "PATH_INFO": "/fragments/live/",
    "QUERY_STRING": "q=sales",
    "HTTP_ACCEPT": "text/event-stream",
    "HTTP_ACCEPT_ENCODING": "gzip",
    "HTTP_COOKIE": "sessionid=vera",
}


def standing(cursor: str, html: str = "<p>") -> Standing:
    """A page in memory."""

    @dataclass(frozen=True)
    class Page:
        cursor: str

    principal = Principal(name="vera", grants=())
    poll = Poll("session", principal, "reach", "key", "look", [], 0.0)
    return Standing(poll, Page(cursor), Fragment.of(html))


class Client:
    """A browser, as the ASGI application sees it."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.gone = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        """Nothing, until it goes."""
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        """Keep it."""
        self.sent.append(message)

    @property
    def text(self) -> str:
        """All that was sent, unpacked."""
        unpack = zlib.decompressobj(16 + zlib.MAX_WBITS)
        return unpack.decompress(b"".join(each.get("body", b"") for each in self.sent)).decode()


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Standing | None]]:
    """What is in memory, one after the other; the last for ever. Looks come all the time."""
    found: list[Standing | None] = []

    def now(poll: object, *, may_read: bool) -> Standing | None:
        assert not may_read  # in the loop, nobody may wait for the database
        return found.pop(0) if len(found) > 1 else found[0]

    monkeypatch.setattr(push, "poll_of", lambda asked: asked)
    monkeypatch.setattr(push, "standing", now)
    monkeypatch.setattr(push, "count_from_memory", lambda *_: Amount(0))
    monkeypatch.setattr(push, "ALIVE", 0.02)
    before = list(watcher.after)
    yield found
    watcher.after[:] = before


def run(story: Coroutine[Any, Any, None]) -> None:
    run_async(asyncio.wait_for(story, 10))


async def answered(status: int, environ: dict[str, Any]) -> int:
    return status


async def until(met: Callable[[], bool]) -> None:
    while not met():
        await asyncio.sleep(0.005)


def answering(pushes: Pushes, client: Client) -> asyncio.Future[None]:
    """A stream to this client, which has begun."""
    return asyncio.ensure_future(pushes.answer(ENVIRON, client.receive, client.send))


def answers(status: int) -> Callable[[dict[str, Any]], Awaitable[int]]:
    return lambda environ: answered(status, environ)


def test_a_stream_goes_on_until_its_reader_has_gone(memory: list[Standing | None]) -> None:
    async def story() -> None:
        memory.append(standing("1"))
        client = Client()
        stream = answering(Pushes(answers(500)), client)
        await until(lambda: len(client.sent) > 3)
        memory[:] = [standing("2", "<b>\r\n")]
        await until(lambda: r"<b>\r\n" in client.text)
        client.gone.set()
        await stream
        assert client.sent[-1] == {"type": "http.response.body", "body": b""}
        assert client.text.count("event: page") == 2
        assert client.text.count("event: secrets") == 1

    run(story())


def test_who_is_not_known_goes_the_whole_way_with_what_they_show(
    memory: list[Standing | None],
) -> None:
    async def story() -> None:
        asked: list[dict[str, Any]] = []
        memory.append(standing("1"))

        async def whole_way(environ: dict[str, Any]) -> int:
            asked.append(environ)
            memory[:] = [standing("2")]
            return 200

        client = Client()
        stream = answering(Pushes(whole_way), client)
        await until(lambda: "page" in client.text)
        memory[:] = [None]
        await until(lambda: client.text.count("page") == 2)
        client.gone.set()
        await stream
        assert [each["QUERY_STRING"] for each in asked] == ["q=sales&cursor=1"]
        assert asked[0]["HTTP_ACCEPT"] == "text/html"

    run(story())


@pytest.mark.parametrize("status", [401, 404, 503, 204])
def test_a_stream_that_cannot_go_on_ends_with_its_status(
    memory: list[Standing | None], status: int
) -> None:
    async def story() -> None:
        memory.append(None)
        client = Client()
        await Pushes(answers(status)).answer(ENVIRON, client.receive, client.send)
        assert client.text == f"event: ended\ndata: {status}\n\n"

    run(story())


def test_strangers_do_not_stand_in_the_queue(memory: list[Standing | None]) -> None:
    async def story() -> None:
        memory.append(None)
        client, pushes = Client(), Pushes(answers(200))
        async with pushes._turn:
            environ = {**ENVIRON, "HTTP_COOKIE": "theme=dark"}
            await pushes.answer(environ, client.receive, client.send)
        assert client.text == "event: ended\ndata: 401\n\n"

    run(story())


def test_who_waits_goes_on_once_it_is_known_how_things_are(memory: list[Standing | None]) -> None:
    async def story() -> None:
        memory.append(None)
        client, pushes = Client(), Pushes(answers(200))
        async with pushes._turn:
            stream = answering(pushes, client)
            await until(lambda: "busy" in client.text)
            memory[:] = [standing("1")]
            await until(lambda: "page" in client.text)
        client.gone.set()
        await stream

    run(story())


def test_who_takes_nothing_keeps_no_turn(memory: list[Standing | None]) -> None:
    async def story() -> None:
        memory.append(None)
        go = asyncio.Event()

        async def whole_way(environ: dict[str, Any]) -> int:
            await go.wait()
            return 401

        pushes, stuck, other = Pushes(whole_way), Client(), Client()

        async def never(message: Any) -> None:
            if message["type"] != "http.response.start":
                await asyncio.Event().wait()

        stalled = asyncio.ensure_future(pushes.answer(ENVIRON, stuck.receive, never))
        stream = answering(pushes, other)
        await until(lambda: "busy" in other.text)
        go.set()
        await stream
        assert "ended" in other.text
        stalled.cancel()

    run(story())


def test_who_takes_no_page_counts_as_gone(
    memory: list[Standing | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        monkeypatch.setattr(push, "PATIENCE", 0.05)
        memory.append(standing("1"))
        pushes, stuck, taken = Pushes(answers(500)), Client(), []
        failures: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda *told: failures.append(told))

        async def once(message: Any) -> None:
            taken.append(message["type"])
            if message["type"] == "http.response.start":
                return
            try:
                await asyncio.Event().wait()
            finally:  # looks go on meanwhile
                await asyncio.sleep(0.05)

        await pushes.answer(ENVIRON, stuck.receive, once)
        assert len(taken) == 3
        assert not failures
        assert not pushes._streams

    run(story())


@pytest.mark.parametrize("failure", [OSError, TimeoutError])
def test_a_failure_on_the_whole_way_gives_the_turn_on(
    memory: list[Standing | None], failure: type[OSError]
) -> None:
    async def story() -> None:
        memory.append(None)

        async def whole_way(environ: dict[str, Any]) -> int:
            raise failure("the disk is full")

        client, pushes = Client(), Pushes(whole_way)
        for _ in range(2):
            with pytest.raises(failure, match="the disk is full"):
                await pushes.answer(ENVIRON, client.receive, client.send)
        assert not pushes._turn.locked()

    run(story())


def test_one_goes_the_whole_way_and_the_others_hear_that_they_wait(
    memory: list[Standing | None],
) -> None:
    async def story() -> None:
        memory.append(None)
        on_it = 0
        go = asyncio.Event()

        async def whole_way(environ: dict[str, Any]) -> int:
            nonlocal on_it
            on_it += 1
            assert on_it == 1
            await go.wait()
            on_it -= 1
            return 401

        pushes, clients = Pushes(whole_way), [Client() for _ in range(3)]
        streams = [answering(pushes, client) for client in clients]
        await until(lambda: all("busy" in client.text for client in clients))
        clients[1].gone.set()  # its turn goes to the next
        await streams[1]
        go.set()
        await asyncio.gather(streams[0], streams[2])
        assert all("ended" in clients[number].text for number in (0, 2))

    run(story())


def test_too_many_are_told_so(
    memory: list[Standing | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        monkeypatch.setattr(push, "STREAMS_MAX", 0)
        client = Client()
        await Pushes(answers(200)).answer(ENVIRON, client.receive, client.send)
        assert client.text == "event: ended\ndata: 503\n\n"

    run(story())


def test_a_look_tells_everybody(
    memory: list[Standing | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        memory.append(standing("1"))
        monkeypatch.setattr(push, "ALIVE", 60.0)
        client, pushes = Client(), Pushes(answers(500))
        stream = answering(pushes, client)
        await until(lambda: "page" in client.text)
        memory[:] = [standing("2")]
        began = time.monotonic()
        tell = watcher.after[-1]
        await asyncio.to_thread(tell, True)  # as the watcher does, in its own thread
        await until(lambda: client.text.count("page") == 2)
        assert time.monotonic() - began < 10
        stream.cancel()

    run(story())


def test_who_was_looked_up_again_is_shown_what_they_may_see_by_now(
    memory: list[Standing | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same person, but without a button: the principal is equal, and what was known is good again."""

    async def story() -> None:
        first = standing("1")
        state, polls, known = ["1"], [first.poll], [True]

        def now(poll: Poll, *, may_read: bool) -> Standing | None:
            page = standing(state[0], f"<{poll.look}>")
            return page._replace(poll=poll) if known[0] else None

        async def whole_way(environ: dict[str, Any]) -> int:
            polls[0] = replace(first.poll, look="less")
            known[0] = True
            return 200

        monkeypatch.setattr(push, "poll_of", lambda asked: polls[0])
        monkeypatch.setattr(push, "standing", now)
        client = Client()
        stream = answering(Pushes(whole_way), client)
        await until(lambda: "<look>" in client.text)
        known[0] = False
        await until(lambda: known[0])
        state[0] = "2"
        await until(lambda: client.text.count("event: page") == 2)
        assert "<less>" in client.text
        client.gone.set()
        await stream

    run(story())


def test_who_takes_a_page_slowly_keeps_nobody_waiting_and_gets_the_next(
    memory: list[Standing | None],
) -> None:
    async def story() -> None:
        memory.append(standing("1"))
        go = asyncio.Event()

        class Slow(Client):
            async def send(self, message: Any) -> None:
                if memory[0] and memory[0].page.cursor == "2":
                    await go.wait()
                await super().send(message)

        pushes, slow, other = Pushes(answers(500)), Slow(), Client()
        streams = [answering(pushes, client) for client in (slow, other)]
        await until(lambda: "page" in slow.text and "page" in other.text)
        memory[:] = [standing("2", "<b>")]
        await until(lambda: "<b>" in other.text)
        memory[:] = [standing("3", "<i>")]
        await until(lambda: "<i>" in other.text)
        assert slow.text.count("page") == 1
        go.set()
        await until(lambda: "<i>" in slow.text)
        assert slow.text.count("page") == other.text.count("page") == 3
        for client in (slow, other):
            client.gone.set()
        await asyncio.gather(*streams)

    run(story())


def test_who_cannot_be_told_is_the_only_one(memory: list[Standing | None]) -> None:
    async def story() -> None:
        memory.append(standing("1"))

        class Lost(Client):
            async def send(self, message: Any) -> None:
                if "page" in self.text:
                    raise RuntimeError("the transport is closed")
                await super().send(message)

        pushes, lost, other = Pushes(answers(500)), Lost(), Client()
        streams = [answering(pushes, client) for client in (lost, other)]
        await until(lambda: "page" in lost.text and "page" in other.text)
        memory[:] = [standing("2", "<b>")]
        await until(lambda: "<b>" in other.text)
        with pytest.raises(RuntimeError, match="the transport is closed"):
            await streams[0]
        other.gone.set()
        await streams[1]

    run(story())
