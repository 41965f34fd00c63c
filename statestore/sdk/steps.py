"""One description of what is done, carried out with threads or with asyncio.

A generator yields `Step`s and is sent their results; `drive` makes the calls, `adrive` awaits them.
So a rule is written once, and neither kind of worker has a copy that could fall behind.
"""

import inspect
import time
from collections.abc import Callable, Generator
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


@dataclass(frozen=True, slots=True)
class Pause:
    """Time that passes before the next step."""

    seconds: float
    reason: str
    """What is waited for, in words for people."""


Steps = Generator[Step | Pause, Any, T]


def drive(steps: Steps[T], *, pause: Callable[[Pause], None] | None = None) -> T:
    """Carry out the steps one after the other; what the generator returns.

    `pause` says what a pause is: by default this thread sleeps; where it raises, the steps end there.
    """
    try:
        step = next(steps)
        while True:
            try:
                result: Any = None
                if isinstance(step, Pause):
                    (pause or _sleep)(step)
                else:
                    with telemetry.call(step.method):
                        result = getattr(step.target, step.method)(*step.args, **step.kwargs)
            except Exception as error:  # noqa: BLE001 - the generator decides what it means
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]  # StopIteration does not say of what


def _sleep(pause: Pause) -> None:
    time.sleep(pause.seconds)


async def adrive(steps: Steps[T], *, threads: bool = False) -> T:
    """As `drive`: a method's twin with `a` in front is preferred, and what can be awaited is.

    `threads`: a method without such a twin may block, and is called in a thread.
    """
    import asyncio  # noqa: PLC0415 - who awaits this has it already, and others need not

    try:
        step = next(steps)
        while True:
            try:
                result: Any = None
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                else:
                    with telemetry.call(step.method):
                        result = await _acall(step, threads)
            except Exception as error:  # noqa: BLE001 - the generator decides what it means
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]  # see above


async def _acall(step: Step, threads: bool) -> Any:
    import asyncio  # noqa: PLC0415 - see above

    twin = getattr(step.target, f"a{step.method}", None)
    method = twin or getattr(step.target, step.method)
    if threads and twin is None and not inspect.iscoroutinefunction(method):
        return await asyncio.to_thread(method, *step.args, **step.kwargs)
    result = method(*step.args, **step.kwargs)
    return (await result) if inspect.isawaitable(result) else result
