"""One watcher per server process: it reads what people look at, however many they are.

Whoever opens a page has it read once; from then on the watcher reads it again when something in the
store has changed, draws it for those who asked, and forgets it when nobody has asked for some seconds.
So a browser that asks whether its page has changed is answered from memory.

Where more changes than the watcher may read, a page that may have changed is called unchanged for LEFT
seconds at most; then one of those who ask reads it, in each process one page at a time, so that those
who write go on.

All processes of a host look at the same moments, and tell browsers when that is: who asks right after a
look sees a change as early as who asks all the time. Where much changes at every look and many fetch it,
every other look is left out, and so is what they would fetch: a write is seen after 1.4 s at most even so.
"""

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final, Protocol, TypeVar

from django.db import DatabaseError, close_old_connections, connection

from statestore import queries
from statestore.errors import NotFoundError

logger = logging.getLogger(__name__)

TICK: Final = 0.6  # seconds between two looks at the store; more of them where pages take long
MUCH: Final = 0.020  # seconds of a processor: after SEVERAL looks that cost so many one is left out
A_PAGE: Final = 0.00005  # seconds of a processor for one who fetches what a look has drawn
SEVERAL: Final = 3  # what is written once is read twice
AT_ONCE: Final = 0.15  # seconds of a processor for one look: pages that are left wait for the next
GRACE: Final = 2.0  # seconds that a look may take before those who ask read for themselves
SOON: Final = 0.05  # seconds after which to ask again while a look is on
SPREAD: Final = 0.15  # seconds over which those who ask after a look are spread
ASKED: Final = 10.0  # seconds for which a page is read that nobody asks for
LEFT: Final = 5.0  # seconds for which a page is left as it is that may have changed
AGES: Final = 5.0  # seconds after which a page is read even though nothing was written: time passes
FRESH: Final = 0.4  # seconds for which a page is good that the watcher does not renew
AGES_ALONE: Final = 30.0  # the same of a page of one task, whose mark tells of all but slow decay
WATCHED_MAX: Final = 2_000


class Page(Protocol):
    """What is read: its cursor stays the same while nothing on it has changed."""

    @property
    def cursor(self) -> str:
        """Names this state of the page."""


class BeingReadError(Exception):
    """A page is too old, and another reads it, or one before it."""


def cursor_of(*shown: object) -> str:
    """A name for this state of what is shown."""
    return blake2b(repr(shown).encode(), digest_size=12).hexdigest()


P = TypeVar("P", bound=Page)
L = TypeVar("L")
Draw = Callable[[Any], L]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A state of a page and how it looks: one object, so that none is kept under another state."""

    page: Page
    shown: dict[Hashable, Any] = field(default_factory=dict)
    """How it looks, for each of those whom it is shown differently."""


@dataclass(slots=True)
class _Watched:
    """A page that somebody looks at."""

    key: Hashable
    read: Callable[[], Page]
    asked: float
    task: int | None = None
    """The task instance that it shows alone: it changes with the mark of that."""
    mark: object = None
    due: float | None = None
    """Since when it may have changed (None: it has not since it was read)."""
    drawn: Drawn | None = None
    good_until: float = 0.0
    read_at: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)
    drawing: threading.Lock = field(default_factory=threading.Lock)
    looks: dict[Hashable, Draw[Any]] = field(default_factory=dict)
    """How it is drawn for each of those whom it is shown differently."""
    seen: dict[Hashable, float] = field(default_factory=dict)
    """When each of them asked last."""

    def kept(self, since: float) -> Drawn | None:
        """What is in memory, as long as it is good and was not read before a time."""
        good = self.good_until >= time.monotonic() and self.read_at >= since
        return self.drawn if good else None

    def renew(self, *, good_for: float, draw: bool = False) -> Drawn:
        """Read it now, and be good for so many seconds; draw it, so that nobody who polls has to."""
        began = time.monotonic()
        due, self.due = self.due, None  # what changes from here on may be missing in what is read
        try:
            page, old = self.read(), self.drawn
        except Exception:
            self.due, self.good_until = due, 0.0
            raise
        if old is not None and old.page.cursor == page.cursor:
            self.drawn = Drawn(page, old.shown)
        else:
            self.drawn = Drawn(page, self._shown(page, began) if draw else {})
        self.read_at = began
        self.good_until = began + good_for
        return self.drawn

    def _shown(self, page: Page, now: float) -> dict[Hashable, Any]:
        recent = [look for look, asked in list(self.seen.items()) if asked > now - ASKED]
        return {look: self.looks[look](page) for look in recent}


@contextmanager
def _free(lock: threading.Lock) -> Iterator[None]:
    """Hold a lock that nobody else holds.

    Raises:
        BeingReadError: somebody does.
    """
    if not lock.acquire(blocking=False):
        raise BeingReadError
    try:
        yield
    finally:
        lock.release()


def forget_unasked(kept: dict[Any, Any]) -> None:
    """Forget what nobody has asked for lately, by when it was `asked` for last."""
    since = time.monotonic() - ASKED
    for name, one in list(kept.items()):
        if one.asked < since:
            kept.pop(name, None)


def pause_after(cost: float, took: float, *, seldom: float = 2 * TICK) -> float:
    """Seconds until the next look, after some that cost so many each, the last of which took so many;
    where they cost MUCH they are `seldom` seconds apart."""
    every = seldom if cost > MUCH else TICK
    # A third of the time goes into reading at most, where the database is slow.
    least = min(2 * took, AGES)
    return least + -(time.time() + least) % every  # all processes of a host at once


class Watcher:
    """The pages that are looked at, and the thread that reads them."""

    def __init__(self) -> None:
        self._watched: dict[Hashable, _Watched] = {}
        self._lock = threading.Lock()
        self._reading = threading.Lock()  # of those who poll, by the one that reads
        self._thread: threading.Thread | None = None
        self._pulse: object = None
        self._moved = True
        self._next_look = 0.0
        self.fetched = 0
        """How often what had changed was fetched, or pushed, since the last look, about."""
        self._wake = threading.Event()
        self.in_background = True
        self.seldom = 2 * TICK
        """Seconds between two looks that cost much, for those who write to the same process."""
        self.beside: list[Callable[[], None]] = []
        """What else is looked after while somebody looks on."""
        self.after: list[Callable[[bool], None]] = []
        """Who is told, in the watcher's thread, that a look is over, and whether it could be taken."""

    def page(
        self, key: Hashable, read: Callable[[], P], *, task: int | None = None, anew: bool = False
    ) -> P:
        """The page, from memory while that is good; else it is read, by one who asks for all. `task` is
        the number of the task instance that it shows alone; `anew`: it has all that was written before."""
        watched, since = self._looked_at(key, read, task), time.monotonic() if anew else 0.0
        drawn = watched.kept(since)
        if drawn is None:
            with watched.lock:
                drawn = watched.kept(since) or watched.renew(good_for=self._good_for())
        return drawn.page  # type: ignore[return-value]  # read by a function that says so

    def good(self, key: Hashable, look: Hashable, *, may_read: bool = True) -> Drawn | None:
        """A page that somebody polls, and how it has been drawn; None: nobody looked at it lately.

        One that is too old is read by one of those who poll, or is not known either for who may not.

        Raises:
            BeingReadError: this is one of the others; how old it is by now, the database decides.
        """
        watched, now = self._watched.get(key), time.monotonic()
        if watched is None or watched.drawn is None:
            return None
        watched.asked = now
        if look in watched.looks:
            watched.seen[look] = now
        if watched.good_until < now:
            if not may_read:
                return None
            try:
                with _free(self._reading), _free(watched.lock):
                    watched.renew(good_for=self._good_for())
            except (DatabaseError, NotFoundError):
                return None  # the poll goes the whole way, and is told
        return watched.drawn

    def draw(self, key: Hashable, page: Page, look: Hashable, draw: Draw[L]) -> L:
        """How this page looks; of many who ask for it at once, one draws it."""
        watched = self._watched.get(key)
        drawn = None if watched is None else watched.drawn
        if watched is None or drawn is None or drawn.page is not page:
            return draw(page)
        with watched.drawing:
            if look not in drawn.shown:
                drawn.shown[look] = draw(page)
            watched.looks[look], watched.seen[look] = draw, time.monotonic()
            return drawn.shown[look]  # type: ignore[no-any-return]  # what it was drawn as

    def same(self, key: Hashable) -> Hashable:
        """The key that the page is known by: of those that are equal, one object."""
        watched = self._watched.get(key)
        return key if watched is None else watched.key

    def ask_again(self) -> float | None:
        """Seconds after which a browser should ask: when the next look is over; None: nobody looks."""
        if self._thread is None:
            return None
        left = self._next_look - time.monotonic()
        return (left if left > 0 else 0) + SOON + random.uniform(0, SPREAD)  # noqa: S311 - no secret

    def forget(self) -> None:
        """Read everything again at its next use."""
        with self._lock:
            self._watched.clear()

    def stop(self) -> None:
        """Forget everything, and wait until the thread has ended."""
        thread = self._thread
        self.forget()
        self._wake.set()
        if thread is not None:
            thread.join()
        self._wake.clear()

    def _looked_at(self, key: Hashable, read: Callable[[], Page], task: int | None) -> _Watched:
        now = time.monotonic()
        with self._lock:
            if key not in self._watched and len(self._watched) >= WATCHED_MAX:
                known = list(self._watched.items())  # the thread drops pages without the lock
                self._watched.pop(min(known, key=lambda one: one[1].asked)[0], None)
            watched = self._watched.setdefault(key, _Watched(key, read, now, task))
            watched.asked = now
            if self.in_background and self._thread is None:
                self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
                self._thread.start()
        return watched

    def _good_for(self) -> float:
        """Seconds for which a page is good that a request has read: until the watcher comes to it."""
        return GRACE if self._thread is not None else FRESH

    def _run(self) -> None:
        cost = deque([0.0], SEVERAL)
        try:
            while self._drop_what_nobody_wants():
                began, looked = time.monotonic(), False
                try:
                    fetched, self.fetched = self.fetched, 0
                    cost.append(self._look() + fetched * A_PAGE)
                    for look_after in self.beside:
                        look_after()
                    looked = True
                except DatabaseError as error:  # pages are read by who asks until it is back
                    logger.warning("the watcher cannot read the store: %s", error)
                    close_old_connections()
                took = time.monotonic() - began
                pause = pause_after(min(cost), took, seldom=self.seldom)
                self._next_look = time.monotonic() + pause
                if looked:
                    self._call_good(pause + GRACE)
                for tell in self.after:
                    tell(looked)
                self._wake.wait(pause)
        finally:
            with self._lock:
                if self._thread is threading.current_thread():
                    self._thread = None
            connection.close()

    def _drop_what_nobody_wants(self) -> bool:
        with self._lock:
            forget_unasked(self._watched)
            if not self._watched:
                self._thread = None
            return bool(self._watched)

    def _call_good(self, seconds: float) -> None:
        """After a look: what was not read in it has not changed, or is left for the next ones."""
        until = time.monotonic() + seconds
        for watched in list(self._watched.values()):
            if watched.lock.locked():
                continue  # somebody reads it, and says then how long it is good
            due = watched.due
            watched.good_until = until if due is None else min(until, due + LEFT)

    def _look(self) -> float:
        """Read again what may have changed; the seconds of a processor that it took."""
        began = time.thread_time()
        pulse = queries.pulse()
        moved = pulse != self._pulse or self._moved  # once more: it may not have been visible yet
        marks = self._marks()
        pages = list(self._watched.items())
        for _, watched in pages:
            changed, ages, mark = moved, AGES, None
            if watched.task is not None:
                mark = marks.get(watched.task)
                changed, ages = mark != watched.mark, AGES_ALONE
            now = time.monotonic()
            if watched.due is None and (changed or watched.read_at < now - ages):
                watched.due = now
            watched.mark = mark
        for key, watched in sorted(pages, key=lambda page: page[1].read_at):
            if watched.due is not None and time.thread_time() - began < AT_ONCE:
                self._renew(key, watched)
        self._pulse, self._moved = pulse, pulse != self._pulse
        return time.thread_time() - began

    def _renew(self, key: Hashable, watched: _Watched) -> None:
        try:
            with watched.lock:
                watched.renew(good_for=GRACE, draw=True)
        except NotFoundError:  # what it showed is gone: whoever asks next is told
            self._watched.pop(key, None)
        except DatabaseError:
            raise
        except Exception:  # whoever asks next reads it, and sees the error
            logger.exception("the watcher cannot read %r, and leaves it out", key)
            self._watched.pop(key, None)

    def _marks(self) -> dict[int, object]:
        tasks = {watched.task for watched in list(self._watched.values())}
        alone = [task for task in tasks if task is not None]
        return queries.task_marks(alone) if alone else {}


watcher = Watcher()
