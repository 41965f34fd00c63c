"""Rate, sparkline, ETA and chart from samples of progress."""

from datetime import UTC, datetime, timedelta

import pytest

from dashboard.pace import Pace, chart_of, pace_of, pace_of_indices
from dashboard.templatetags.pages import relative
from statestore.queries import Finished, Sample

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def at(seconds_ago: float, done: float, total: float | None = 1000, attempt: int = 1) -> Sample:
    return Sample(NOW - timedelta(seconds=seconds_ago), attempt, done, total)


def pace(*samples: Sample, last_write: float = 1) -> Pace:
    then = NOW - timedelta(seconds=last_write)
    return pace_of(list(samples), unit="rows", last_write=then, now=NOW)


STEADY = (at(30, 100), at(20, 200), at(10, 300), at(0, 400))


def test_a_steady_task_ends_when_it_says() -> None:
    found = pace(*STEADY)
    assert found.rate == "10 rows/s"
    assert found.eta == NOW + timedelta(seconds=60)
    assert found.spark.count(",") == 3


@pytest.mark.parametrize(
    "samples",
    [
        STEADY[:2],
        (at(8, 1), at(4, 2), at(0, 3)),
        (at(2000, 1), at(1500, 2), at(1000, 3)),
        (at(30, 1, attempt=1), at(20, 2, attempt=1), at(0, 3, attempt=2)),
    ],
    ids=["two samples", "less than 10 s", "more than 10 min ago", "a new attempt"],
)
def test_too_little_says_nothing(samples: tuple[Sample, ...]) -> None:
    assert pace(*samples) == Pace("", "", None)


def test_an_end_that_should_have_come_comes_now() -> None:
    late = datetime.now(UTC) - timedelta(seconds=40)
    assert ">now</time>" in relative(late, "ahead")
    assert ">40 s ago</time>" in relative(late)
    assert ">in 1 min</time>" in relative(late + timedelta(seconds=110), "ahead")


def test_without_a_total_there_is_a_rate_and_no_eta() -> None:
    found = pace(at(20, 0, None), at(10, 60, None), at(0, 120, None))
    assert (found.rate, found.eta) == ("6 rows/s", None)


@pytest.mark.parametrize(("silent", "known"), [(29, True), (31, False)])
def test_silence_of_three_usual_gaps_ends_the_eta(silent: float, known: bool) -> None:
    assert (pace(*STEADY, last_write=silent).eta is not None) is known


def test_a_resumed_task_counts_from_where_it_resumed() -> None:
    before = (at(60, 0), at(50, 500), at(40, 900))
    after = (at(20, 900, attempt=2), at(10, 910, attempt=2), at(0, 920, attempt=2))
    assert pace(*before, *after).rate == "1 rows/s"


def test_a_task_that_began_over_counts_from_there() -> None:
    assert pace(at(50, 800), at(40, 900), at(20, 0), at(10, 20), at(0, 40)).rate == "2 rows/s"


def test_a_task_that_stands_still_never_ends() -> None:
    found = pace(at(20, 5), at(10, 5), at(0, 5))
    assert (found.rate, found.eta) == ("0 rows/s", None)


@pytest.mark.parametrize(
    ("step", "rate"), [(12345, "1,234 rows/s"), (1, "6 rows/min"), (0.01, "3.6 rows/h")]
)
def test_the_rate_has_a_unit_in_which_it_can_be_read(step: float, rate: str) -> None:
    assert pace(at(20, 0), at(10, step), at(0, 2 * step)).rate == rate


def test_done_is_done_now() -> None:
    assert pace(at(20, 800), at(10, 900), at(0, 1000)).eta == NOW


def test_the_chart_marks_attempts_and_looks_ahead() -> None:
    samples = [at(40, 100), at(30, 200), *(at(s, d, attempt=2) for s, d in ((20, 200), (0, 400)))]
    chart = chart_of(samples, Pace("", "", NOW + timedelta(seconds=60)))
    assert chart is not None
    assert len(chart.lines) == 2
    assert [(mark.attempt, mark.done) for mark in chart.marks] == [(2, "200")]
    assert chart.lines[0].startswith("0,126 ")
    assert chart.end == NOW + timedelta(seconds=40)  # as much time as has passed
    assert chart.projection == "300,84 600,28"


def test_a_long_chart_is_thinned() -> None:
    samples = [at(10 * (8640 - n), n) for n in range(8640)]
    chart = chart_of(samples, Pace("", "", None))
    assert chart is not None
    assert chart.lines[0].count(",") <= 301
    assert chart.projection == ""
    assert chart_of(samples[:2], Pace("", "", None)) is None


def done(count: int, first: float, last: float) -> Finished:
    return Finished(count, NOW - timedelta(seconds=first), NOW - timedelta(seconds=last))


def test_map_indices_have_a_rate_and_an_eta() -> None:
    found = pace_of_indices(done(11, 110, 10), left=6, now=NOW)
    assert found.rate == "6 indices/min"
    assert found.eta == NOW + timedelta(seconds=50)


@pytest.mark.parametrize(
    "finished",
    [None, done(2, 100, 0), done(9, 8, 0)],
    ids=["none done", "two done", "less than 10 s"],
)
def test_few_map_indices_have_no_rate(finished: Finished | None) -> None:
    assert pace_of_indices(finished, left=6, now=NOW) == Pace("", "", None)


def test_map_indices_have_no_eta_when_none_is_left_or_they_are_silent() -> None:
    assert pace_of_indices(done(11, 110, 10), left=0, now=NOW).eta is None
    assert pace_of_indices(done(11, 200, 100), left=6, now=NOW) == Pace("6 indices/min", "", None)
