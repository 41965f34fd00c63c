"""Writes per minute, from what the database has counted at two moments."""

import threading
import time
from collections import deque
from itertools import pairwise
from typing import Final

from dashboard.pace import SPARK_HEIGHT, SPARK_WIDTH
from statestore import queries
from statestore.queries import Amount

WINDOW: Final = 60.0  # seconds
LEAST: Final = 30.0  # seconds that two samples must be apart: a burst is no pace
PAUSE: Final = 2.0  # seconds between two samples
POINTS_LEAST: Final = 5


class Meter:
    """Samples of the last minute; it measures only while somebody looks on."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()
        self._last: dict[int, int] = {}
        self._newest = 0
        self._total = 0
        self._lock = threading.Lock()

    def per_minute(self) -> Amount | None:
        """How many entries are written in a minute, about so many where it has been measured for less than
        that; None: it has not been measured for long enough."""
        with self._lock:
            now = time.monotonic()
            if not self._samples or now - self._samples[-1][0] >= PAUSE:
                self._sample(now)
            (first, before), (last, after) = self._samples[0], self._samples[-1]
        length = last - first
        number, short = after - before, length < WINDOW - 2 * PAUSE
        if length < LEAST or (short and not number):
            return None
        return Amount(round(number * WINDOW / length), about=short)

    def spark(self) -> str:
        """The pace between each two samples, as points of a polyline; empty: there are too few."""
        with self._lock:
            samples = list(self._samples)
        rates = [
            (after - before) / (end - start) for (start, before), (end, after) in pairwise(samples)
        ]
        if len(rates) < POINTS_LEAST:
            return ""
        most, last = max(rates) or 1, len(rates) - 1
        return " ".join(
            f"{SPARK_WIDTH * place / last:.4g},{1 + (SPARK_HEIGHT - 2) * (1 - rate / most):.3g}"
            for place, rate in enumerate(rates)
        )

    def _sample(self, now: float) -> None:
        found, newest = queries.writes()
        if self._samples:
            self._total += sum(
                max(0, count - self._counted(number, count)) for number, count in found.items()
            )
        self._last, self._newest = found or self._last, max(self._newest, newest)
        if self._samples and now - self._samples[-1][0] > WINDOW:
            self._samples.clear()  # nobody looked on meanwhile
        self._samples.append((now, self._total))
        while now - self._samples[0][0] > WINDOW:
            self._samples.popleft()

    def _counted(self, number: int, count: int) -> int:
        """Those of a number's writes that are older than the last sample: of one that was given by then,
        and not looked at, all may be."""
        return self._last.get(number, count if number <= self._newest else 0)


meter = Meter()
