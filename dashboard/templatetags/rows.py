"""The rows of the table of tasks. They are drawn at each look, and so in Python: with templates for them
a look took 1.4 times as long (docs/performance.md)."""

from typing import Final

from django import template
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from dashboard.kept import Kept
from dashboard.pace import Pace
from dashboard.passwords import without_passwords
from dashboard.progress import Progress
from dashboard.table import KEPT, MOVING, Chip, Row
from dashboard.templatetags.pages import (
    eta,
    icon,
    relative,
    stacked_bar,
    state_badge,
    state_colour,
)
from statestore.queries import StateCounts, TaskState, TaskSummary

register = template.Library()

_names: Final = Kept[tuple[SafeString, SafeString]](KEPT)
_progresses: Final = Kept[SafeString](KEPT)
_rates: Final = Kept[SafeString](KEPT)
_keys: Final = Kept[SafeString](KEPT)
_CLASSES: Final = {
    TaskState.FAILED: mark_safe(' class="att bad"'),
    TaskState.STALLED: mark_safe(' class="att"'),
}
_NOTHING: Final = mark_safe("")


@register.simple_tag
def task_row(row: Row) -> SafeString:
    """A row. Its cells are kept as they were drawn last, as long as that is equal which they show, but for
    those that show a time from now."""
    task, progress, mapped = row.task, row.progress, row.mapped
    total, more = mapped and mapped.total, _keys_left(task)
    begin, end = _names.get(
        row.id, (task.id, task.scope, task.state, task.attempt, total), lambda: _name(row)
    )
    cells = (
        begin,
        _progresses.get(
            row.id, (task.id, progress, mapped, task.state, task.scope), lambda: _progress_cell(row)
        ),
        _rates.get(row.id, (row.pace, task.state), lambda: _rate_cell(row.pace, task.state)),
        _eta_cell(row),
        _keys.get(row.id, (row.keys, more), lambda: _keys_cell(row.keys, more)),
        _written_cell(row),
        end,
    )
    return mark_safe("\n  ".join(cells))  # noqa: S308 - each is safe


def _name(row: Row) -> tuple[SafeString, SafeString]:
    """What stands before the cells that change, and what after them."""
    task, scope = row.task, row.task.scope
    url = reverse("dashboard:task", args=[task.id])
    dag, run, name = map(without_passwords, (scope.dag_id, scope.run_id, scope.task_id))
    indexed = scope.map_index >= 0 and row.mapped is None
    index = f"[{scope.map_index}]" if indexed else ""
    begin = format_html(
        '<tr role="row" id="t-{id}" data-text="{text}"{classes}>\n'
        '  <td role="cell" class="td-state">{state}</td>\n'
        '  <th role="rowheader" scope="row" class="task td-task">\n'
        '    <div class="l1">'
        '<a class="name mono" data-row href="{url}" title="{name}">{name}</a>{tags}</div>\n'
        '    <div class="l2"><span title="{dag}">{dag}</span>{arrow}'
        '<a class="run" href="{run_url}" title="{run}">{run}</a></div>\n'
        "  </th>",
        id=row.id,
        text=f"{scope.dag_id}/{scope.run_id}/{scope.task_id}{index}",
        classes=_CLASSES.get(task.state, ""),
        state=state_badge(task.state),
        url=url,
        name=name,
        tags=_tags(row, index),
        dag=dag,
        arrow=icon("chevron-right"),
        run_url=reverse("dashboard:run", args=[task.id]),
        run=run,
    )
    end = format_html(
        '<td role="cell" class="td-act">'
        '<a class="icon-btn" href="{}" tabindex="-1" aria-hidden="true">{}</a></td>\n</tr>',
        url,
        icon("chevron-right"),
    )
    return begin, end


def _tags(row: Row, index: str) -> SafeString:
    """Beside the name: which of several it is."""
    if row.mapped is not None:
        panel = icon("panel-top")
        return format_html('<span class="tag">{}{} mapped</span>', panel, f"{row.mapped.total:,}")
    tags = _NOTHING
    if index:
        number = row.task.scope.map_index
        tags += format_html('<span class="tag" title="map index {}">{}</span>', number, index)
    if row.task.attempt > 1:
        tags += format_html('<span class="tag">attempt {}</span>', f"{row.task.attempt:,}")
    return tags


def _progress_cell(row: Row) -> SafeString:
    progress = row.progress
    if row.mapped is not None:
        shown = _indices(row.id, row.mapped)
    elif progress is None:
        shown = mark_safe('<span class="faint">no progress reported</span>')
    else:
        shown = _bar(row, progress) + _reported(row.task.id, progress) + _message(progress)
    return format_html('<td role="cell" class="prog td-prog">{}</td>', shown)


def _indices(row_id: str, mapped: StateCounts) -> SafeString:
    said = [f" of {mapped.total:,} indices done"]
    said += [f"{mapped.failed:,} failed"] if mapped.failed else []
    said += [f"{mapped.stalled:,} stalled"] if mapped.stalled else []
    return stacked_bar(mapped) + format_html(
        '<div class="nums"><span id="p-{}" data-watch><b>{}</b>{}</span></div>',
        row_id,
        f"{mapped.done:,}",
        ", ".join(said),
    )


def _bar(row: Row, progress: Progress) -> SafeString:
    if progress.percent is None:
        return _NOTHING
    return format_html(
        '<progress class="{}" max="100" value="{percent}" aria-label="Progress of {}">{percent} %</progress>',
        state_colour(row.task.state),
        without_passwords(row.task.scope.task_id),
        percent=progress.percent,
    )


def _reported(task_id: int, progress: Progress) -> SafeString:
    """The numbers; the value itself, where it has no form that is known."""
    if progress.text:
        return format_html(
            '<code class="raw" id="p-{}" data-watch title="{text}">{text}</code>',
            task_id,
            text=progress.text,
        )
    done = format_html("<b>{}</b>", progress.current) if progress.current else _NOTHING
    of = f" of {progress.total}" if progress.current and progress.total else ""
    unit = f" {progress.unit}" if progress.current else ""
    if progress.percent is None:
        beside = format_html("<span>{}</span>", progress.note)
    else:
        beside = format_html('<span class="pct">{} %</span>', progress.percent)
    return format_html(
        '<div class="nums"><span id="p-{}" data-watch>{}{}{}</span>{}</div>',
        task_id,
        done,
        of,
        unit,
        beside,
    )


def _message(progress: Progress) -> SafeString:
    if not progress.message:
        return _NOTHING
    message = without_passwords(progress.message)
    return format_html('<p class="msg" title="{message}">{message}</p>', message=message)


def _rate_cell(pace: Pace, state: TaskState) -> SafeString:
    rate = _NOTHING
    if pace.rate:
        rate = format_html(
            '<div class="rate">{}<span>{}</span></div>', _spark(pace, state), pace.rate
        )
    return format_html('<td role="cell" class="td-rate">{}</td>', rate)


def _spark(pace: Pace, state: TaskState) -> SafeString:
    if not pace.spark:
        return _NOTHING
    last = pace.spark.rpartition(" ")[2]
    return format_html(
        '<svg class="spark {}" viewBox="0 0 100 24" preserveAspectRatio="none" role="img"'
        ' aria-label="Rate of the last 10 minutes"><polygon points="{points} 100,24 0,24"/>'
        '<polyline points="{points}"/><polyline class="tip" points="{last} {last}"/></svg>',
        state_colour(state) or "run",
        points=pace.spark,
        last=last,
    )


def _eta_cell(row: Row) -> SafeString:
    shown: str = ""
    if row.pace.eta is not None:
        shown = eta(row.pace.eta)
    elif row.task.state in MOVING:
        shown = '<span class="faint">no ETA</span>'
    return mark_safe(f'<td role="cell" class="eta td-eta">{shown}</td>')  # noqa: S308 - times alone


def _keys_cell(keys: list[Chip], more: int) -> SafeString:
    rest = format_html('<span class="tag">+{}</span>', f"{more:,}") if more else ""
    return format_html(
        '<td role="cell" class="td-keys"><div class="keys">{}{}</div></td>',
        format_html_join("", "{}", ([_chip(chip)] for chip in keys)),
        rest,
    )


def _keys_left(task: TaskSummary) -> int:
    """How many of its keys are not named in its row."""
    return task.key_count - len(task.other_keys) - (task.progress is not None)


def _chip(chip: Chip) -> SafeString:
    key = without_passwords(chip.key)
    if chip.hidden:
        return format_html(
            '<span class="tag bad" title="{key}: hidden, a possible secret">'
            '{icon}<span class="sr">possible secret: </span>{key}</span>',
            key=key,
            icon=icon("shield-alert"),
        )
    if not chip.value:
        return format_html('<span class="tag" title="{key}">{key}</span>', key=key)
    return format_html(
        '<span class="tag" title="{key}: {value}">{key} <b>{value}</b></span>',
        key=key,
        value=chip.value,
    )


def _written_cell(row: Row) -> SafeString:
    written = row.task.last_write
    shown = relative(written) if written else '<span class="faint">no keys left</span>'
    return mark_safe(f'<td role="cell" class="upd td-upd">{shown}</td>')  # noqa: S308 - as above
