"""Icons, times and states, the same on every page."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import urlencode

from django import template
from django.conf import settings
from django.template import Context
from django.templatetags.static import static
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from dashboard.filters import word_of
from dashboard.jsonview import size_text
from dashboard.nav import ON_A_PHONE, places_of
from dashboard.pace import Chart
from dashboard.passwords import without_passwords
from statestore.access import Principal, Right
from statestore.protocol import TaskScope
from statestore.queries import (
    COUNTED,
    Amount,
    MapIndex,
    StateCounts,
    TaskOrder,
    TaskState,
)

register = template.Library()
register.filter("without_passwords", without_passwords)

SECONDS_SHOWN: Final = timedelta(minutes=10)

_UNITS: Final = ((86_400, "day"), (3600, "h"), (60, "min"), (1, "s"))

# colour, icon and word, always together
_STATES: Final = {
    TaskState.RUNNING: ("run", "refresh-cw", "Running"),
    TaskState.STALLED: ("warn", "hourglass", "Stalled"),
    TaskState.FAILED: ("bad", "circle-x", "Failed"),
    TaskState.DONE: ("ok", "circle-check", "Done"),
    TaskState.NONE: ("idle", "circle-dashed", "No progress"),
}

_SORTED: Final = {
    TaskOrder.ATTENTION: "other",
    TaskOrder.NEWEST: "descending",
    TaskOrder.OLDEST: "ascending",
    TaskOrder.NAME: "ascending",
}


@register.simple_tag
@cache
def icon(name: str, classes: str = "") -> SafeString:
    """An icon of the sprite; decoration, so a word stands beside it."""
    return format_html(
        '<svg class="i {}" viewBox="0 0 24 24" aria-hidden="true"><use href="{}#{}"/></svg>',
        classes, static("dashboard/icons.svg"), name,
    )  # fmt: skip


@register.simple_tag(takes_context=True)
def places(context: Context) -> dict[str, Any]:
    """Where the bars lead: `all`, `first` for phones, the `rest`, and which of them is `here`."""
    request = context.get("request")
    user = getattr(request, "user", None)
    if request is None or user is None or not user.is_authenticated:
        return {}
    found, match = places_of(user), request.resolver_match
    here = next((p for p in found if match and p.is_here(match.view_name)), None)
    return {
        "all": found, "first": found[:ON_A_PHONE], "rest": found[ON_A_PHONE:], "here": here,
    }  # fmt: skip


@register.simple_tag
@cache
def state_badge(state: TaskState) -> SafeString:
    """The state of a task as colour, icon and word."""
    colour, name, word = _STATES[state]
    spin = "spin" if state is TaskState.RUNNING else ""
    return format_html('<span class="st {}">{}{}</span>', colour, icon(name, spin), word)


@register.simple_tag
def state_icon(state: str) -> SafeString:
    """The icon of a state in its colour."""
    colour, name, _ = _STATES[TaskState(state)]
    return icon(name, f"c-{colour}")


@register.filter
def state_colour(state: TaskState) -> str:
    """The class that colours a bar or a row."""
    return "" if state is TaskState.RUNNING else _STATES[state][0]


@register.simple_tag
def stalled_after() -> str:
    """How long a running task may be silent: `5 min`."""
    return _amount(settings.STATESTORE_STALLED_SECONDS)


@register.simple_tag
def dag_url(scope: TaskScope) -> str:
    """Live, with the tasks of this dag alone."""
    return (
        f"{reverse('dashboard:live')}?{urlencode({'q': word_of('dag', scope.dag_id, whole=True)})}"
    )


@register.simple_tag
def audit_url(scope: TaskScope) -> str:
    """The audit of this task instance alone, or of this run where it names no task."""
    asked: dict[str, object] = {"dag": scope.dag_id, "run": scope.run_id, "task": scope.task_id}
    if scope.map_index >= 0:
        asked["index"] = scope.map_index
    given = {name: value for name, value in asked.items() if value != ""}
    return f"{reverse('dashboard:audit')}?{urlencode({**given, 'whole': 1})}"


@register.filter
def amount(figure: Amount) -> str:
    """`12,000`, `≈ 1,020,000`, `5,000+`."""
    return str(figure)


@register.filter
def may_clear(principal: Principal, dag_id: str) -> bool:
    """Whether the principal may clear keys of this dag's tasks."""
    return principal.may(TaskScope(dag_id, "*", "*", -1), Right.CLEAR)


@register.filter
def may_clear_asset(principal: Principal, name: str) -> bool:
    """Whether the principal may clear keys of the asset of this name."""
    return principal.may_asset(name, Right.CLEAR)


@register.filter
def may_reveal(principal: Principal, dag_id: str) -> bool:
    """Whether the principal may see what is hidden in keys of this dag's tasks."""
    return principal.may(TaskScope(dag_id, "*", "*", -1), Right.ADMINISTER)


@register.filter
def may_reveal_asset(principal: Principal, name: str) -> bool:
    """Whether the principal may see what is hidden in keys of the asset of this name."""
    return principal.may_asset(name, Right.ADMINISTER)


@register.filter
def may_administer(principal: Principal) -> bool:
    """Whether the principal may administer any dag or asset."""
    return principal.has(Right.ADMINISTER)


@register.filter
def may_sweep(principal: Principal) -> bool:
    """Whether the principal may delete what has expired, of whatever dag."""
    return principal.has_over_every_dag(Right.ADMINISTER)


@register.filter(name="bytes")
def bytes_text(size: int) -> str:
    """`612 B`, `1.2 kB`, `3.4 GB`."""
    return size_text(size)


@register.filter
def duration(length: timedelta) -> str:
    """`60 s` as `1 min`."""
    return _amount(length.total_seconds())


@register.filter
def as_word(text: str, field: str) -> str:
    """`dag:=sales`, for a filter."""
    return word_of(field, text, whole=True)


@register.filter
def words(text: str) -> list[str]:
    """The words of a text, to go through."""
    return text.split()


@register.filter
def of_state(counts: StateCounts, state: str) -> int:
    """How many are in this state."""
    return int(getattr(counts, state))


@register.filter
def counted(number: int) -> str:
    """A count that stops at a limit: `12`, `5,000+`."""
    return f"{number:,}" if number <= COUNTED else f"{COUNTED:,}+"


@register.simple_tag
def stacked_bar(counts: StateCounts) -> SafeString:
    """How many are in each state, as one bar and as its label."""
    bars, start, words = [], 0.0, []
    for state in (TaskState.DONE, TaskState.RUNNING, TaskState.STALLED, TaskState.FAILED):
        number = getattr(counts, state)
        if number:
            width = 100 * number / counts.total
            bars.append((f"{start:.2f}%", f"{max(width - 0.5, 0.4):.2f}%", _STATES[state][0]))
            words.append(f"{number:,} {state}")
            start += width
    if counts.none:
        words.append(f"{counts.none:,} without progress")
    shapes = format_html_join(
        "", '<rect x="{}" y="0" width="{}" height="100%" class="f-{}"/>', bars
    )
    label = f"{', '.join(words)} of {counts.total:,}"
    return format_html('<svg class="seg-bar" role="img" aria-label="{}">{}</svg>', label, shapes)


@register.simple_tag
def map_cells(cells: list[MapIndex]) -> SafeString:
    """The map indices of a task as small links; up to 500, so not by a template's loop."""
    start, _, end = reverse("dashboard:task", args=[0]).rpartition("0")
    links = (
        f'<li><a class="cell {_STATES[cell.state][0]}" href="{start}{cell.id}{end}"'
        f' title="index {cell.map_index}: {cell.state}">'
        f'<span class="sr">{cell.state}: </span>{cell.map_index}</a></li>'
        for cell in cells
    )
    return mark_safe("".join(links))  # noqa: S308 - numbers and states alone


@register.simple_tag
@cache
def cell_legend() -> SafeString:
    """How such a link looks in each state."""
    looks = ((colour, word) for colour, _, word in _STATES.values())
    return format_html_join("", '<span><i class="cell {}"></i>{}</span>', looks)


@register.simple_tag(takes_context=True)
def sort_head(context: Context, word: str, classes: str, *orders: str) -> SafeString:
    """The head of a column that sorts by it; where it has two orders, by one after the other."""
    params = context["request"].GET.copy()
    for name in ("after", "cursor", "sort"):
        params.pop(name, None)
    order = context["table"].order
    here = order in orders
    other = orders[(orders.index(order) + 1) % len(orders)] if here else orders[0]
    if other:
        params["sort"] = other
    return format_html(
        '<th role="columnheader" scope="col" class="{}"{}><a href="?{}">{}{}</a></th>',
        classes, format_html(' aria-sort="{}"', _SORTED[order]) if here else "",
        params.urlencode(), word, icon("chevron-down") if here else "",
    )  # fmt: skip


@register.filter
def thousands(number: int) -> str:
    """`12,000`."""
    return f"{number:,}"


@register.simple_tag
def eta(moment: datetime) -> SafeString:
    """`in 4 min`, and below it the time of day."""
    exact = moment.astimezone(UTC)
    day = exact.date() - datetime.now(UTC).date()
    clock = f"{exact:%H:%M}" if not day else f"{exact:%b %-d, %H:%M}"
    ahead = relative(moment, "ahead")
    return mark_safe(f"<b>{ahead}</b><small>≈ {clock}</small>")  # noqa: S308 - as there


@register.simple_tag
def clock(moment: datetime, chart: Chart) -> str:
    """The time of day below a chart, to the second where it is a short one."""
    return f"{moment.astimezone(UTC):{'%H:%M:%S' if chart.end - chart.start < SECONDS_SHOWN else '%H:%M'}}"


@register.filter
def scope_fields(scope: TaskScope) -> list[tuple[str, str]]:
    """The four ids, by name."""
    return [(name, str(value)) for name, value in asdict(scope).items()]


@register.filter
def digest(text: str) -> str:
    """A short name for a key that may hold any character, for use in an element's id."""
    return blake2b(text.encode(), digest_size=8).hexdigest()


@register.simple_tag
def relative(moment: datetime | None, kind: str = "") -> SafeString | str:
    """A time as `4 s ago` or `in 30 days`, with the exact one in its title.

    Of the kind `ahead` is what is expected: where it should have come already, it comes now.
    """
    if moment is None:
        return "never"
    exact, seconds = moment.astimezone(UTC), (moment - datetime.now(UTC)).total_seconds()
    shown = relative_text(max(seconds, 0) if kind == "ahead" else seconds)
    return mark_safe(  # noqa: S308 - times alone, and a word of ours; in every row of every list
        f'<time datetime="{exact:%Y-%m-%dT%H:%M:%S}.{exact.microsecond // 1000:03}Z"'
        f' title="{exact:%Y-%m-%d %H:%M:%S} UTC" data-relative="{kind}">{shown}</time>'
    )


def relative_text(seconds: float) -> str:
    """How far away: past times rounded down, future ones rounded; `dashboard.js` says the same."""
    if abs(seconds) < 1:
        return "now"
    return f"in {_amount(seconds, round)}" if seconds > 0 else f"{_amount(-seconds)} ago"


def _amount(seconds: float, whole: Callable[[float], int] = int) -> str:
    length, unit = next((step for step in _UNITS if seconds >= step[0]), _UNITS[-1])
    number = whole(seconds / length)
    return f"{number} {unit}" + ("s" if unit == "day" and number > 1 else "")
