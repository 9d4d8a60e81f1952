"""What a worker process of the campaign does besides its work: it logs each attempt with its token, and misbehaves.

The package is not changed for it; a few of its methods are wrapped, in the worker processes only.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from baton.core.outcome import Outcome
from baton.core.worker import AnyWorker
from baton.database.connections import describe
from baton.database.failures import Failure, classify
from baton.database.messages import Advanced, Claimed, ClaimRequest, Settlement, UpkeepResult
from baton.database.store import Store
from baton.runtime.attempts import Attempt, Cause
from baton.runtime.dispatcher import Dispatcher
from baton.runtime.executors import Executors
from baton.runtime.maintenance import Maintenance
from baton.runtime.runner import Runner
from tests.effects import Effects
from tests.programs.random_workers import Boom

MARK_BITS = 32
IGNORES_CANCELLATION = 0.3
"""The share of attempts that ignore a cancellation while they are delayed, as a worker may."""


def mark(token: UUID) -> str:
    """Return blanks that identify a token: a result that ends with them means the same."""
    return "".join(" \t"[token.int >> bit & 1] for bit in range(MARK_BITS))


def install(log: Effects) -> None:
    """Wrap the methods. To be called once in a process, before its pool is made."""
    _wrap_attempts(log)
    _wrap_answers(log)
    _wrap_failures(log)
    _wrap_upkeep(log)


def _wrap_attempts(log: Effects) -> None:
    execute, run = Executors.run, Runner.run

    async def logged_execute(self: Executors, attempt: Attempt, worker: AnyWorker) -> Outcome:
        claimed = attempt.claimed
        log.write(
            event="run",
            id=claimed.step_id,
            workflow=claimed.workflow_id,
            step=claimed.step,
            attempt=claimed.attempt,
            token=claimed.token.hex,
            at=time.time(),
        )
        act = _special_act(claimed)
        if act == "poison":
            os.kill(os.getpid(), signal.SIGKILL)
        await _dawdle(claimed)
        if act != "unstorable":
            return await execute(self, attempt, worker)
        with suppress(Boom):
            await execute(self, attempt, worker)
        # No worker can return this: what it returns is encoded before it gets here.
        return Outcome("completed", '{"never": ')

    async def logged_run(self: Runner, attempt: Attempt) -> Outcome | None:
        outcome = await run(self, attempt)
        claimed = attempt.claimed
        if outcome is not None and outcome.kind == "completed" and outcome.detail is not None:
            outcome = replace(outcome, detail=outcome.detail + mark(claimed.token))
        kind = outcome.kind if outcome is not None else "stopped"
        is_late = attempt.cause in (Cause.LEASE_LOST, Cause.VOID)
        log.write(event="ran", id=claimed.step_id, token=claimed.token.hex, kind=kind, is_late=is_late)
        return outcome

    Executors.run = logged_execute  # type: ignore[method-assign]
    Runner.run = logged_run  # type: ignore[method-assign]


def _special_act(claimed: Claimed) -> str | None:
    if '"poison"' not in claimed.args and '"unstorable"' not in claimed.args:
        return None
    acts: Sequence[str] = json.loads(claimed.args)["plan"]["acts"]
    return acts[min(claimed.attempt, len(acts)) - 1]


async def _dawdle(claimed: Claimed) -> None:
    """Take some time before the worker's own time begins, now and then more than a lease."""
    chance = random.Random(f"{claimed.workflow_id}/{claimed.step}/{claimed.attempt}")
    seconds = chance.choices((0.0, chance.uniform(0.01, 0.3), chance.uniform(0.3, 1.0), 2.6), (70, 20, 9, 1))[0]
    if seconds == 0:
        return
    ignores_cancellation = chance.random() < IGNORES_CANCELLATION
    ends = time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        try:
            await asyncio.sleep(left)
        except asyncio.CancelledError:
            if not ignores_cancellation:
                raise


def _wrap_answers(log: Effects) -> None:
    settled, answered = Dispatcher._settled, Dispatcher._answered

    def logged_settled(self: Dispatcher, settling: Sequence[Settlement], accepted: Sequence[bool]) -> None:
        if settling:
            outcomes = [[*row, yes] for row, yes in zip(_rows(settling), accepted, strict=True)]
            log.write(event="answered", outcomes=outcomes)
        settled(self, settling, accepted)

    def logged_answered(self: Dispatcher, request: Any, advanced: Advanced) -> None:
        if advanced.claimed:
            claiming = request.claiming
            ids = [one.step_id for one in advanced.claimed]
            log.write(event="claimed", token=claiming.token.hex, ids=ids, limit=sum(claiming.limits.values()))
        answered(self, request, advanced)

    Dispatcher._settled = logged_settled  # type: ignore[method-assign]
    Dispatcher._answered = logged_answered  # type: ignore[method-assign]


def _wrap_failures(log: Effects) -> None:
    advance, settle = Store.advance, Store.settle

    def note(call: str, settling: Sequence[Settlement], error: BaseException) -> None:
        if classify(error) is Failure.PASSING:
            outcomes = list(_rows(settling))
            log.write(event="unknown", call=call, outcomes=outcomes, error=describe(error), at=time.time())

    async def logged_advance(
        self: Store, pool: int, settling: Sequence[Settlement], claiming: ClaimRequest
    ) -> Advanced:
        try:
            return await advance(self, pool, settling, claiming)
        except Exception as error:
            note("advance", settling, error)
            raise

    async def logged_settle(self: Store, settling: Sequence[Settlement]) -> Sequence[bool]:
        try:
            return await settle(self, settling)
        except Exception as error:
            note("settle", settling, error)
            raise

    Store.advance = logged_advance  # type: ignore[method-assign]
    Store.settle = logged_settle  # type: ignore[method-assign]


def _wrap_upkeep(log: Effects) -> None:
    once = Maintenance.run_once

    async def logged_once(self: Maintenance) -> UpkeepResult:
        upkeep = await once(self)
        if upkeep.died or upkeep.lost or upkeep.given_back:
            log.write(event="upkeep", died=upkeep.died, lost=upkeep.lost, given_back=upkeep.given_back)
        return upkeep

    Maintenance.run_once = logged_once  # type: ignore[method-assign]


def _rows(settling: Sequence[Settlement]) -> list[list[Any]]:
    return [[one.step_id, one.token.hex, one.outcome.kind] for one in settling]
