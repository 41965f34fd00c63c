"""Icons, times and states, the same on every page."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Final
from urllib.parse import urlencode

from django import template
from django.conf import settings
from django.templatetags.static import static
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from dashboard.filters import word_of
from statestore.protocol import TaskScope
from statestore.queries import TaskState, TaskSummary

register = template.Library()

_UNITS: Final = ((86_400, "day"), (3600, "h"), (60, "min"), (1, "s"))

# colour, icon and word, always together
_STATES: Final = {
    TaskState.RUNNING: ("run", "refresh-cw", "Running"),
    TaskState.STALLED: ("warn", "hourglass", "Stalled"),
    TaskState.FAILED: ("bad", "circle-x", "Failed"),
    TaskState.DONE: ("ok", "circle-check", "Done"),
    TaskState.NONE: ("idle", "circle-dashed", "No progress"),
}


@register.simple_tag
def icon(name: str, classes: str = "") -> SafeString:
    """An icon of the sprite; decoration, so a word stands beside it."""
    return format_html(
        '<svg class="i {}" viewBox="0 0 24 24" aria-hidden="true"><use href="{}#{}"/></svg>',
        classes, static("dashboard/icons.svg"), name,
    )  # fmt: skip


@register.simple_tag
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
    return f"{reverse('dashboard:live')}?{urlencode({'q': word_of('dag', scope.dag_id)})}"


@register.filter
def thousands(number: int) -> str:
    """`12,000`."""
    return f"{number:,}"


@register.filter
def keys_left(task: TaskSummary) -> int:
    """How many keys of a row are not named in it."""
    return task.key_count - len(task.other_keys) - (task.progress is not None)


@register.filter
def scope_fields(scope: TaskScope) -> list[tuple[str, str]]:
    """The four ids, by name."""
    return [(name, str(value)) for name, value in asdict(scope).items()]


@register.filter
def digest(text: str) -> str:
    """A short name for a key that may hold any character, for use in an element's id."""
    return blake2b(text.encode(), digest_size=8).hexdigest()


@register.simple_tag
def relative(moment: datetime | None) -> SafeString | str:
    """A time as `4 s ago` or `in 30 days`, with the exact one in its title."""
    if moment is None:
        return "never"
    exact = moment.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{} UTC" data-relative>{}</time>',
        exact.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        f"{exact:%Y-%m-%d %H:%M:%S}",
        relative_text((moment - datetime.now(UTC)).total_seconds()),
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
