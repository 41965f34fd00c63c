"""Writes per minute, from what the database has counted at two moments."""

import threading
import time
from collections import deque
from typing import Final

from statestore import queries

WINDOW: Final = 60.0  # seconds
LEAST: Final = 4.0  # seconds that two samples must be apart
PAUSE: Final = 2.0  # seconds between two samples


class Meter:
    """Samples of the last minute; it measures only while somebody looks on."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()
        self._last: dict[object, int] = {}
        self._total = 0
        self._lock = threading.Lock()

    def per_minute(self) -> int | None:
        """About how many entries are written in a minute; None: it has not been measured for long."""
        with self._lock:
            now = time.monotonic()
            if not self._samples or now - self._samples[-1][0] >= PAUSE:
                self._sample(now)
            (first, before), (last, after) = self._samples[0], self._samples[-1]
        return round((after - before) * 60 / (last - first)) if last - first >= LEAST else None

    def _sample(self, now: float) -> None:
        found = queries.writes()
        if self._last:
            self._total += sum(
                max(0, count - self._last.get(name, 0)) for name, count in found.items()
            )
        self._last = found or self._last
        if self._samples and now - self._samples[-1][0] > WINDOW:
            self._samples.clear()  # nobody looked on meanwhile
        self._samples.append((now, self._total))
        while now - self._samples[0][0] > WINDOW:
            self._samples.popleft()


meter = Meter()
