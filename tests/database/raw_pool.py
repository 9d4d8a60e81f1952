"""A worker pool without a loop, on one raw connection: each call of an engine function is one line of a test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import asyncpg
from msgspec import structs

from baton.core.outcome import Outcome
from baton.core.spec import StepSpec, Terms, WorkflowSpec
from baton.database.messages import (
    Advanced,
    Cancelled,
    Claimed,
    ClaimRequest,
    HeartbeatReply,
    Inserted,
    Retried,
    Settlement,
    UpkeepResult,
)
from baton.database.store import Store
from tests.database.consistency import assert_consistent as assert_consistent  # noqa: PLC0414  # where tests look for it
from tests.waiting import eventually

T = TypeVar("T")
U = TypeVar("U")
WORKER = "work"


@dataclass(frozen=True, slots=True)
class Step:
    """A step as a test writes it: dependencies by name."""

    name: str
    deps: tuple[str, ...]
    reads: tuple[str, ...]
    spec: StepSpec


def step(name: str, *deps: str, ignoring: str = "", reads: Sequence[str] = (), **options: Any) -> Step:
    """Describe a step; `ignoring` lists the states of dependencies that it ignores, as in "discarded skipped"."""
    terms = Terms(
        worker=WORKER,
        queue="default",
        priority=0,
        max_attempts=20,
        ignore_cancelled="cancelled" in ignoring,
        ignore_discarded="discarded" in ignoring,
        ignore_skipped="skipped" in ignoring,
    )
    given = {option: options.pop(option) for option in Terms.__struct_fields__ if option in options}
    plain = StepSpec(name=name, terms=structs.replace(terms, **given), args="{}", references=None)
    return Step(name, deps, tuple(reads), structs.replace(plain, **options))


def workflow(workflow_id: str, *steps: Step, fingerprint: str = "1:same") -> WorkflowSpec:
    """Return the workflow that consists of these steps."""
    place = {each.name: n for n, each in enumerate(steps)}
    dependents: list[list[int]] = [[] for _ in steps]
    for n, each in enumerate(steps):
        for dep in each.deps:
            dependents[place[dep]].append(n)
    return WorkflowSpec(
        id=workflow_id,
        name=None,
        fingerprint=fingerprint,
        debug=False,
        meta=None,
        steps=tuple(
            structs.replace(
                each.spec,
                dependencies=tuple(sorted(place[dep] for dep in each.deps)),
                dependents=tuple(dependents[n]),
                inputs=tuple(place[dep] for dep in each.reads),
            )
            for n, each in enumerate(steps)
        ),
    )


def outcome(claimed: Claimed, kind: Any, detail: str | None = None, delay: float | None = None) -> Settlement:
    """Return an outcome; without `detail` its result is the step's name, its reason the outcome's kind."""
    given = detail or (f'"{claimed.step}"' if kind == "completed" else f"{kind} by the test")
    return Settlement(claimed.step_id, claimed.token, Outcome(kind, given, delay=delay))


@dataclass
class RawPool:
    """A registered worker pool that does only what the test calls, on its own connection."""

    connection: asyncpg.Connection
    store: Store
    id: int
    held: dict[tuple[str, str], Claimed] = field(default_factory=dict)
    beats: int = 0

    @classmethod
    async def register(cls, connection: asyncpg.Connection, lease_seconds: float = 30) -> RawPool:
        store = Store(connection, "baton")
        limits = {"default": 1000}
        pool = await store.register(
            name="raw", host="here", pid=1, limits=limits, workers=[WORKER], lease_seconds=lease_seconds
        )
        return cls(connection, store, pool)

    async def insert(self, workflow_id: str, *steps: Step) -> Inserted:
        return await self.store.insert_workflow(workflow(workflow_id, *steps))

    async def claim(self, limit: int = 1000, queue: str = "default", token: UUID | None = None) -> list[Claimed]:
        """Claim, and remember what was claimed in `held`."""
        return self._keep(await self.store.claim(self.id, ClaimRequest(token or uuid4(), {queue: limit})))

    async def settle(self, *outcomes: Settlement) -> list[bool]:
        return list((await self.store.settle(outcomes)).accepted)

    async def advance(self, *outcomes: Settlement, limit: int = 1000, queue: str = "default") -> Advanced:
        done = await self.store.advance(self.id, outcomes, ClaimRequest(uuid4(), {queue: limit}))
        self._keep(done.claimed)
        return done

    def outcomes(self, workflow_id: str, **names_by_kind: str) -> list[Settlement]:
        """Return outcomes of held steps, as in `outcomes("w", completed="a b", failed="c")`, in this order."""
        return [
            outcome(self.held[workflow_id, name], kind, delay=0 if kind == "failed" else None)
            for kind, names in names_by_kind.items()
            for name in names.split()
        ]

    async def end(self, workflow_id: str, **names_by_kind: str) -> None:
        """Claim what is available, then settle the named steps in one batch, which must be accepted."""
        await self.claim()
        outcomes = self.outcomes(workflow_id, **names_by_kind)
        assert await self.settle(*outcomes) == [True] * len(outcomes)

    async def finish(self) -> None:
        """Complete all that is held or becomes available, until nothing does."""
        done = await self.advance(*[outcome(claimed, "completed") for claimed in self.held.values()])
        while done.claimed:
            done = await self.advance(*[outcome(claimed, "completed") for claimed in done.claimed])

    async def cancel(
        self, workflow_id: str, *steps: str, reason: str | None = "enough", as_skipped: bool = False
    ) -> Cancelled:
        return await self.store.cancel(workflow_id, steps or None, reason, as_skipped=as_skipped)

    async def retry(self, workflow_id: str, *steps: str) -> Retried:
        return await self.store.retry(workflow_id, steps or None)

    async def heartbeat(self, *tokens: UUID, number: int | None = None) -> HeartbeatReply:
        """Send a heartbeat, with the next number or the given one."""
        self.beats += 1
        return await self.store.heartbeat(self.id, number or self.beats, tokens, [WORKER], 30)

    async def run_upkeep(self, sweep: bool = True, *, keep: timedelta | None = None, limit: int = 1000) -> UpkeepResult:
        """Do all parts of upkeep, or with `sweep=False` only stage what is due."""
        done = UpkeepResult()
        if sweep:
            marked = await self.store.mark_dead()
            rescued = await self.store.rescue(limit=limit)
            pruned = 0 if keep is None else (await self.store.prune(keep, limit=limit)).workflows
            done = UpkeepResult(marked.died, rescued.lost, rescued.given_back, pruned)
            await self.store.watch_runs(limit=limit)
            done = replace(done, waits_ended=(await self.store.end_waits(limit=limit)).ended)
        return replace(done, staged=(await self.store.stage(limit=limit)).staged)

    def _keep(self, claims: Sequence[Claimed]) -> list[Claimed]:
        self.held |= {(claimed.workflow_id, claimed.step): claimed for claimed in claims}
        return list(claims)


async def overlap(
    first: asyncpg.Connection, leading: Awaitable[T], second: asyncpg.Connection, following: Awaitable[U]
) -> tuple[T, U]:
    """Make the following call on `second` while the transaction of the leading one, on `first`, is open.

    Commits only when the server says that the second waits for a lock of the first.
    """
    async with first.transaction():
        led = await leading
        waiting = asyncio.ensure_future(following)
        await eventually(lambda: is_blocked(first, second), deadline=0.9)
    return led, await waiting


async def is_blocked(by: asyncpg.Connection, waiting: asyncpg.Connection) -> bool:
    pids = by.get_server_pid(), waiting.get_server_pid()
    blocked: bool = await by.fetchval("select $1::integer = any(pg_blocking_pids($2))", *pids)
    return blocked


async def steps(connection: asyncpg.Connection, workflow_id: str) -> dict[str, asyncpg.Record]:
    """Return the steps by name, as the view shows them, in the order added."""
    rows = await connection.fetch("select * from baton.steps_view where workflow_id = $1 order by id", workflow_id)
    return {row["name"]: row for row in rows}


async def states(connection: asyncpg.Connection, workflow_id: str) -> dict[str, str]:
    return {name: row["state"] for name, row in (await steps(connection, workflow_id)).items()}


async def state(connection: asyncpg.Connection, workflow_id: str) -> str | None:
    """Return the workflow's state."""
    found: str | None = await connection.fetchval("select state from baton.workflows where id = $1", workflow_id)
    return found
