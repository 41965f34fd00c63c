"""From samples of progress to a rate, a sparkline, an ETA and a chart.

The rate is that of the last 10 minutes of the newest attempt, from where it resumed. There is an ETA
with a total, at least three samples over at least 10 s, and a last write that is younger than three
times the usual gap between samples.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from statistics import median
from typing import Final

from dashboard.progress import number_text, short_number
from statestore.queries import Finished, Sample

WINDOW: Final = timedelta(minutes=10)
DAY: Final = timedelta(days=1)
LEAST: Final = 3  # samples
SPAN_LEAST: Final = 10  # seconds
GAPS: Final = 3
POINTS_MAX: Final = 300
ETA_MAX: Final = timedelta(days=3650)
WIDTH, HEIGHT = 600, 140  # of a chart
PARTS: Final = 4  # of its scales
SPARK_WIDTH, SPARK_HEIGHT = 100, 24

_UNITS: Final = ((1, "s"), (60, "min"), (3600, "h"))


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a task goes, and when it ends if it goes on like that."""

    rate: str  # `1,240 rows/min`; empty where there are too few samples
    spark: str  # points of a polyline, 100 by 24
    eta: datetime | None


@dataclass(frozen=True, slots=True)
class Mark:
    """Where an attempt begins."""

    x: float
    attempt: int
    done: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What was done over the time, 600 by 140, with the projection of the present rate."""

    lines: list[str]
    areas: list[str]
    marks: list[Mark]
    projection: str
    now: float
    """Where the last sample is."""
    start: datetime
    last: datetime
    end: datetime
    scale: list[str]
    """What the horizontal lines stand for, from the top."""
    clock: list[datetime]
    """The times below it, at equal distances."""


def pace_of(
    samples: list[Sample], *, unit: str, last_write: datetime | None, stalled: bool = False,
    now: datetime | None = None,
) -> Pace:  # fmt: skip
    """The pace in samples that are in their order; that of a task that has stalled is zero."""
    now = now or datetime.now(UTC)
    recent = _of_this_attempt([sample for sample in samples if sample.at >= now - WINDOW])
    if len(recent) < LEAST or _seconds(recent[0], recent[-1]) < SPAN_LEAST:
        return Pace("", "", None)
    if stalled:
        return Pace(_rate(0, unit), _spark(recent, silent_until=now), None)
    per_second = (recent[-1].done - recent[0].done) / _seconds(recent[0], recent[-1])
    return Pace(_rate(per_second, unit), _spark(recent), _eta(recent, per_second, last_write, now))


def pace_of_indices(finished: Finished | None, *, left: int, now: datetime | None = None) -> Pace:
    """The pace of a mapped task, in map indices that were done in the last 10 minutes.

    The ETA is that of those that have reported: how many are to come, nobody knows yet.
    """
    now = now or datetime.now(UTC)
    if finished is None or finished.count < LEAST:
        return Pace("", "", None)
    seconds = (finished.last - finished.first).total_seconds()
    if seconds < SPAN_LEAST:
        return Pace("", "", None)
    gap = seconds / (finished.count - 1)
    fresh = (now - finished.last).total_seconds() < GAPS * gap
    eta = finished.last + timedelta(seconds=left * gap) if left and fresh else None
    return Pace(_rate(1 / gap, "indices"), "", eta)


def chart_of(samples: list[Sample], pace: Pace) -> Chart | None:
    """The chart of a day's samples; None where there are too few."""
    if len(samples) < LEAST:
        return None
    start, end = samples[0].at, max(samples[-1].at, pace.eta or samples[-1].at)
    # A projection that would crush the past is cut to as much time as has passed.
    end = min(end, samples[-1].at + (samples[-1].at - start))
    most = max(sample.total or sample.done for sample in samples) or 1

    def place(at: datetime, done: float) -> tuple[float, float]:
        x = WIDTH * ((at - start) / (end - start)) if end > start else 0.0
        return round(x, 1), round(HEIGHT - HEIGHT * min(max(done / most, 0), 1), 1)

    attempts = [list(part) for _, part in groupby(samples, key=lambda sample: sample.attempt)]
    drawn = [[place(s.at, s.done) for s in _thinned(part)] for part in attempts]
    return Chart(
        lines=[_points(line) for line in drawn],
        areas=[_points([(line[0][0], HEIGHT), *line, (line[-1][0], HEIGHT)]) for line in drawn],
        marks=[
            Mark(place(part[0].at, 0)[0], part[0].attempt, number_text(part[0].done))
            for part in attempts[1:]
        ],
        projection=_projection(samples[-1], pace, end, place),
        now=place(samples[-1].at, 0)[0],
        start=start,
        last=samples[-1].at,
        end=end,
        scale=[short_number(most * part / PARTS) for part in range(PARTS, -1, -1)],
        clock=[start + (end - start) * part / PARTS for part in range(PARTS + 1)],
    )


def began_of(
    samples: list[Sample], attempt: int, created_at: datetime, now: datetime
) -> datetime | None:
    """When the newest attempt began: a later one with its first report, which a day's samples hold only
    where they reach back to the attempt before, or to the beginning."""
    if attempt <= 1:
        return created_at
    earlier = any(sample.attempt < attempt for sample in samples)
    if not earlier and now - created_at >= DAY:
        return None
    return next((sample.at for sample in samples if sample.attempt == attempt), None)


def _projection(last: Sample, pace: Pace, end: datetime, place: object) -> str:
    if pace.eta is None or last.total is None or pace.eta <= last.at or not callable(place):
        return ""
    share = min(1.0, (end - last.at) / (pace.eta - last.at))
    done = last.done + (last.total - last.done) * share
    return _points([place(last.at, last.done), place(end, done)])


def _of_this_attempt(samples: list[Sample]) -> list[Sample]:
    """Those of the newest attempt, from where it last began over."""
    kept: list[Sample] = []
    for sample in reversed(samples):
        if kept and (sample.attempt != kept[-1].attempt or sample.done > kept[-1].done):
            break
        kept.append(sample)
    return kept[::-1]


def _eta(
    samples: list[Sample], per_second: float, last_write: datetime | None, now: datetime
) -> datetime | None:
    last = samples[-1]
    usual = median(_seconds(a, b) for a, b in pairwise(samples))
    fresh = last_write is not None and (now - last_write).total_seconds() < GAPS * usual
    if last.total is None or per_second <= 0 or not fresh:
        return None
    left = max(0.0, last.total - last.done) / per_second
    return last.at + timedelta(seconds=left) if left < ETA_MAX.total_seconds() else None


def _rate(per_second: float, unit: str) -> str:
    length, word = next((u for u in _UNITS if abs(per_second) * u[0] >= 1), _UNITS[-1])
    if not per_second:
        length, word = _UNITS[0]
    number = per_second * length
    shown = number_text(round(number) if number >= 10 else round(number, 1))
    return f"{shown} {unit}/{word}" if unit else f"{shown}/{word}"


def _spark(samples: list[Sample], silent_until: datetime | None = None) -> str:
    """The rate between each two samples, the highest at the top; then none, where all is silent."""
    rates = [(b.at, (b.done - a.done) / (_seconds(a, b) or 1)) for a, b in pairwise(samples)]
    if silent_until is not None:
        rates += [(rates[-1][0], 0.0), (silent_until, 0.0)]
    most = max(rate for _, rate in rates) or 1
    start, span = rates[0][0], (rates[-1][0] - rates[0][0]).total_seconds() or 1
    return _points(
        (
            round(SPARK_WIDTH * (at - start).total_seconds() / span, 1),
            round(1 + (SPARK_HEIGHT - 2) * (1 - rate / most), 1),
        )
        for at, rate in rates
    )


def _thinned(samples: list[Sample]) -> list[Sample]:
    stride = -(-len(samples) // POINTS_MAX)
    return [*samples[:-1:stride], samples[-1]]


def _points(places: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in places)


def _seconds(a: Sample, b: Sample) -> float:
    return (b.at - a.at).total_seconds()
