"""What a task is handed: its stores by the names that Airflow uses, its scope and its attempt."""

from collections.abc import Collection, Iterable
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from statestore.protocol import TaskScope
from statestore.sdk import answers, requests
from statestore.sdk.accessors import TaskStore
from statestore.sdk.assets import AssetLike, AssetStores
from statestore.sdk.transport import Transport


class TaskContext(dict[str, Any]):
    """A task's context. As a context manager it starts the next attempt, which fences off older ones."""

    def __init__(
        self,
        transport: Transport,
        scope: TaskScope,
        attempt: int | None = None,
        assets: Iterable[AssetLike] = (),
    ) -> None:
        super().__init__()
        self._transport = transport
        self.scope = scope
        self.task_store = TaskStore(transport, scope, attempt)
        self.asset_store = AssetStores(transport, assets)
        self.update(
            task_store=self.task_store,
            task_state_store=self.task_store,
            task_state=self.task_store,
            asset_store=self.asset_store,
            asset_state_store=self.asset_store,
            asset_state=self.asset_store,
            dag_id=scope.dag_id,
            run_id=scope.run_id,
            task_id=scope.task_id,
            map_index=scope.map_index,
        )

    @property
    def attempt(self) -> int | None:
        """The number of this attempt; None before it has started."""
        return self.task_store.attempt

    def start_attempt(self) -> int:
        """Start the next attempt: what older ones write from now on is refused."""
        answer = self._transport.send(requests.attempt_start(self.scope))
        self.task_store.attempt = answers.read_attempt(answer)
        return self.task_store.attempt

    async def astart_attempt(self) -> int:
        """As `start_attempt`."""
        answer = await self._transport.asend(requests.attempt_start(self.scope))
        self.task_store.attempt = answers.read_attempt(answer)
        return self.task_store.attempt

    def task_token(
        self, ttl: timedelta = timedelta(hours=1), *, assets: Collection[str] | None = None
    ) -> str:
        """A token that reaches this task instance alone, for whoever works on it; at most 30 days.

        It also reaches the assets of these names (20 at most), or (None) all that the own token reaches.

        Raises:
            ForbiddenError: the own token lacks the right to view, to write or to clear.
        """
        request = requests.task_token(self.scope, ttl, assets)
        return answers.read_token(self._transport.send(request))

    async def atask_token(
        self, ttl: timedelta = timedelta(hours=1), *, assets: Collection[str] | None = None
    ) -> str:
        """As `task_token`."""
        request = requests.task_token(self.scope, ttl, assets)
        return answers.read_token(await self._transport.asend(request))

    def __enter__(self) -> Self:
        if self.attempt is None:
            self.start_attempt()
        return self

    async def __aenter__(self) -> Self:
        if self.attempt is None:
            await self.astart_attempt()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing to give back; keys stay for the next attempt."""

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing to give back; keys stay for the next attempt."""
