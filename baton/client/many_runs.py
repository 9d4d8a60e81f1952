"""The methods of an engine that deal with many runs: lists, and what is done to all that match."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast

from asyncpg import LockNotAvailableError

from baton.core.states import WorkflowState
from baton.database.run_list import RunFilter, RunPage, read_run_page, run_filter
from baton.errors import BatonError, InvalidOption, WorkflowNotFound

if TYPE_CHECKING:
    from baton.client.engine import Engine
    from baton.client.run import Run

RUNS_PER_PAGE = 100


@dataclass(frozen=True, slots=True)
class ManyChanged:
    """What became of the runs that matched."""

    runs: Sequence[str]
    """The ids of those that were changed; with `dry_run` those that matched."""
    steps: int
    """How many steps were cancelled or opened."""
    refused: Mapping[str, str]
    """Those that could not be changed, by id, and why."""


class ManyRuns:
    """A part of `Engine`."""

    async def runs(
        self,
        *,
        state: WorkflowState | None = None,
        name: str | None = None,
        tag: Mapping[str, str] | None = None,
        key: str | None = None,
        since: datetime | timedelta | None = None,
        worker: str | None = None,
        failed_step: str | None = None,
        limit: int = 50,
        after: int | None = None,
    ) -> RunPage:
        """Return a page of workflows, the newest first.

        The next page is that with `after=page.after`. Tags and keys have an index, the rest has none: a call looks at
        no more than 100,000 workflows (10,000 with `worker` or `failed_step`), of those with the first tag or the key
        if one is given. So a page may be short, even empty, and still have an `after`.

        Args:
            state: only those in this state.
            name: only those with this `workflow_name`.
            tag: only those with all of these tags, as in `{"team": "red"}`.
            key: only those that were inserted with this key, whether or not they still hold it.
            since: only those inserted at this time or later; a `timedelta` counts back from now.
            worker: only those with a step that this worker runs, by name.
            failed_step: only those in which the step of this name is discarded.
            limit: how many at most, 1 to 1,000.
            after: where to go on, from the page before.

        Raises: InvalidOption, InvalidName.
        """
        wanted = run_filter(state, name, since, tag=tag, key=key, worker=worker, failed_step=failed_step)
        engine = cast("Engine", self)
        return await read_run_page(engine.store.calls, engine.schema, wanted, limit, after)

    async def cancel_many(
        self,
        *,
        name: str | None = None,
        tag: Mapping[str, str] | None = None,
        key: str | None = None,
        since: datetime | timedelta | None = None,
        worker: str | None = None,
        force: bool = False,
        reason: str | None = None,
        actor: str | None = None,
        dry_run: bool = False,
    ) -> ManyChanged:
        """Cancel every executing workflow that matches all that is given; see `runs` and `Run.cancel`.

        Each is cancelled in a transaction of its own, so nothing else waits for the whole. What is inserted after this
        call began stays. If the call is interrupted, the same call goes on. With `dry_run` nothing is changed.

        Raises: InvalidOption, also if nothing says which; InvalidName.
        """
        wanted = run_filter("executing", name, since, tag=tag, key=key, worker=worker)
        _require_choice(wanted, since)

        async def cancel(run: Run) -> int:
            return await run.cancel(force=force, reason=reason, actor=actor)

        return await self._change(wanted, None if dry_run else cancel)

    async def retry_many(
        self,
        *,
        state: WorkflowState = "failed",
        name: str | None = None,
        tag: Mapping[str, str] | None = None,
        key: str | None = None,
        since: datetime | timedelta | None = None,
        worker: str | None = None,
        failed_step: str | None = None,
        reason: str | None = None,
        actor: str | None = None,
        dry_run: bool = False,
    ) -> ManyChanged:
        """Retry every workflow that failed and matches all that is given; see `runs` and `Run.retry`.

        `state` is "failed" or "cancelled". Otherwise as `cancel_many`. A workflow whose key another run holds, or whose
        undos keep it from running again, is one of `refused`.

        Raises: InvalidOption, also if nothing says which; InvalidName.
        """
        if state not in ("failed", "cancelled"):
            raise InvalidOption("state", state, 'workflows are retried that are "failed" or "cancelled"')
        wanted = run_filter(state, name, since, tag=tag, key=key, worker=worker, failed_step=failed_step)
        _require_choice(wanted, since)

        async def retry(run: Run) -> int:
            return await run.retry(reason=reason, actor=actor)

        return await self._change(wanted, None if dry_run else retry)

    async def _change(self, wanted: RunFilter, change: Callable[[Run], Awaitable[int]] | None) -> ManyChanged:
        changed: list[str] = []
        refused: dict[str, str] = {}
        steps = 0
        async for run in self._matching(wanted):
            try:
                count = 0 if change is None else await change(run)
            except WorkflowNotFound:
                continue  # pruned meanwhile
            except (BatonError, LockNotAvailableError) as error:
                refused[run.id] = str(error)
                continue
            if count or change is None:
                changed.append(run.id)
                steps += count
        return ManyChanged(changed, steps, refused)

    async def _matching(self, wanted: RunFilter) -> AsyncIterator[Run]:
        from baton.client.run import Run

        engine = cast("Engine", self)
        after: int | None = None
        while True:
            page = await read_run_page(engine.store.calls, engine.schema, wanted, RUNS_PER_PAGE, after)
            for summary in page.runs:
                yield Run(summary.id, engine)
            after = page.after
            if after is None:
                return


def _require_choice(wanted: RunFilter, since: object) -> None:
    chosen = (wanted.name, wanted.key, wanted.worker, wanted.failed_step, since)
    if not wanted.tags and all(choice is None for choice in chosen):
        raise InvalidOption("tag", None, "say which workflows: by tag, key, name, worker or since")
