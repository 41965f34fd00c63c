"""One description of what is done, carried out with threads or with asyncio.

A generator yields `Step`s and is sent their results; `drive` makes the calls, `adrive` awaits them.
So a rule is written once, and neither kind of worker has a copy that could fall behind.
"""

import inspect
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from statestore.sdk import telemetry

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a method that may take time."""

    target: Any
    method: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)


Steps = Generator[Step, Any, T]


def drive(steps: Steps[T]) -> T:
    """Carry out the steps one after the other; what the generator returns."""
    try:
        step = next(steps)
        while True:
            try:
                with telemetry.call(step.method):
                    result = getattr(step.target, step.method)(*step.args, **step.kwargs)
            except Exception as error:  # noqa: BLE001 - the generator decides what it means
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]  # StopIteration does not say of what


async def adrive(steps: Steps[T]) -> T:
    """As `drive`: a method's twin with `a` in front is preferred, and what can be awaited is."""
    try:
        step = next(steps)
        while True:
            try:
                method = getattr(step.target, f"a{step.method}", None)
                with telemetry.call(step.method):
                    result = (method or getattr(step.target, step.method))(
                        *step.args, **step.kwargs
                    )
                    if inspect.isawaitable(result):
                        result = await result
            except Exception as error:  # noqa: BLE001 - the generator decides what it means
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]  # see above
