"""Transfers between accounts while workers are killed and commits are cut: no money is lost, and none is doubled.

The control: the same transfers by ordinary workers lose and double money.
"""

from __future__ import annotations

import logging
import random
import signal
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass

import asyncpg
import pytest

from baton import Baton, Engine, Run, WorkerPool
from baton.runtime.transactions import HAS_TRANSACTION_TIMEOUT
from tests.database.raw_pool import assert_consistent
from tests.faults.processes import WorkerProcess, expire_lease, make_retries_due, worker_process
from tests.programs.transfer_workers import (
    TABLES,
    in_its_own_transaction,
    statement_by_statement,
    with_a_prepared_statement,
    with_the_step,
)
from tests.waiting import eventually

log = logging.getLogger("tests.transfers")

ACCOUNTS = 4
BALANCE = 1000
POINTS = [
    "transaction begun",
    "before the worker",
    "after the first statement",
    "after the second statement",
    "after the last statement",
    "before its settle",
    "before its commit",
    "after its commit",
    "after the worker",
]


@dataclass(frozen=True)
class Transfer:
    name: str
    source: int
    target: int
    amount: int


@dataclass
class Bank:
    """The accounts in the database, and the balances that they should have after the transfers."""

    connection: asyncpg.Connection
    transfers: list[Transfer]

    async def insert(self, kind, **options) -> Run:
        flow = Baton.new()
        for one in self.transfers:
            job = kind.new(source=one.source, target=one.target, amount=one.amount)
            flow.add(one.name, job.with_options(max_attempts=1000, **options))
        return await flow.insert()

    async def balances(self) -> list[int]:
        rows = await self.connection.fetch("select balance from public.accounts order by id")
        return [row["balance"] for row in rows]

    def expected(self) -> list[int]:
        balances = [BALANCE] * ACCOUNTS
        for one in self.transfers:
            balances[one.source] -= one.amount
            balances[one.target] += one.amount
        return balances

    async def made(self) -> list[str]:
        return [row["id"] for row in await self.connection.fetch("select id from public.transfers order by id")]

    async def is_done(self) -> bool:
        await make_retries_due(self.connection)
        state: str = await self.connection.fetchval("select state from baton.workflows")
        return state == "completed"

    async def assert_each_once(self) -> None:
        assert await self.balances() == self.expected()
        assert await self.made() == sorted(one.name for one in self.transfers)
        await assert_consistent(self.connection)


@pytest.fixture
async def bank(engine: Engine, connection: asyncpg.Connection) -> Bank:
    """Ten transfers; a test may ask for more."""
    await connection.execute(TABLES)
    await connection.executemany(
        "insert into public.accounts values ($1, $2)", [(account, BALANCE) for account in range(ACCOUNTS)]
    )
    return Bank(connection, some_transfers(10))


def some_transfers(count: int) -> list[Transfer]:
    chosen = random.Random(6)
    pairs = [chosen.sample(range(ACCOUNTS), 2) for _ in range(count)]
    return [Transfer(f"t{n:03}", source, target, chosen.randint(1, 50)) for n, (source, target) in enumerate(pairs)]


@asynccontextmanager
async def finished_by_another(engine: Engine, bank: Bank, pid: int) -> AsyncIterator[None]:
    await expire_lease(bank.connection, pid)
    async with WorkerPool(engine, lease=1, poll=0.3):
        await eventually(bank.is_done, deadline=60)
    yield


@pytest.mark.parametrize("point", POINTS)
async def test_killed_at_a_point_each_transfer_is_made_once(engine, bank, effects, point):
    await bank.insert(with_the_step)
    with worker_process(engine.connector.dsn, effects, kill_at=point, kill_on=3, queues={"default": 4}) as killed:
        assert await killed.ended() == -signal.SIGKILL

        async with finished_by_another(engine, bank, killed.pid):
            await bank.assert_each_once()


@pytest.mark.parametrize("moment", ["request", "answer"])
async def test_killed_during_the_commit(engine, bank, proxy, effects, moment):
    await bank.insert(with_the_step)
    trap = proxy.trap("COMMIT;", moment, purpose="worker", holds=True)
    with worker_process(proxy.dsn, effects, queues={"default": 1}) as killed:
        await trap.sprung()
        made = len(await bank.made())
        killed.send(signal.SIGKILL)
        await killed.ended()
        assert made == (1 if moment == "answer" else 0)

        async with finished_by_another(engine, bank, killed.pid):
            await bank.assert_each_once()


@pytest.mark.parametrize("moment", ["request", "answer"])
@pytest.mark.parametrize("call", ["COMMIT;", ".settle(", "savepoint baton_settle", "public.transfers", "BEGIN"])
async def test_a_connection_cut_at_a_call_makes_no_transfer_twice(bank, proxy, call, moment):
    async with Engine(proxy.dsn) as engine:
        run = await bank.insert(with_the_step)
        trap = proxy.trap(call, moment, purpose="worker", times=4)
        async with WorkerPool(engine, queues={"default": 3}):
            await eventually(bank.is_done, deadline=60)
            records = await run.steps()
    assert trap.caught == 4
    again = sum(record.attempt - 1 for record in records)
    # BEGIN is tried again; and if the commit had succeeded, the settle that is sent in its place is
    # refused.
    assert again == (0 if call == "BEGIN" or (call == "COMMIT;" and moment == "answer") else 4)
    await bank.assert_each_once()


async def test_a_pool_frozen_before_its_commit_releases_the_workflow(bank, proxy, connection):
    """Its server process ends the transaction at the latest after a minute; here, sooner."""
    async with Engine(proxy.dsn) as engine:
        run = await bank.insert(with_the_step)
        trap = proxy.trap("COMMIT;", "request", purpose="worker", holds=True)
        async with WorkerPool(engine, queues={"default": 3}, lease=1.5):
            await eventually(bank.is_done, deadline=60)
            assert trap.caught == 1
            assert max(record.attempt for record in await run.steps()) == 2
    await bank.assert_each_once()


@pytest.mark.parametrize(
    ("kind", "point"),
    [
        (with_the_step, "after the first statement"),
        (with_the_step, "before its settle"),
        (with_the_step, "before its commit"),
        (with_a_prepared_statement, "a statement is prepared"),
    ],
)
async def test_a_process_frozen_past_its_lease_blocks_and_overwrites_nobody(engine, bank, effects, kind, point):
    if kind is with_a_prepared_statement and bank.connection.get_server_version().major < HAS_TRANSACTION_TIMEOUT:
        pytest.skip("PostgreSQL 16 and older have no limit for it, as docs/workers.md says")
    run = await bank.insert(kind, timeout=1)
    settings = {"stop_at": point, "queues": {"default": 4}, "call_seconds": 2}
    with worker_process(engine.connector.dsn, effects, **settings) as frozen:
        await frozen.is_stopped()
        async with WorkerPool(engine, lease=1, poll=0.3):
            await eventually(bank.is_done, deadline=60)
        await bank.assert_each_once()

        frozen.send(signal.SIGCONT)
        await frozen.has_logged("the lease of pool", deadline=30)
        frozen.send(signal.SIGTERM)
        assert await frozen.ended() == 0
    assert await run.wait() == "completed"
    await bank.assert_each_once()


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_transfers_while_processes_are_killed_and_commits_are_cut(engine, bank, proxy, effects):
    """Two hundred of them."""
    bank.transfers = some_transfers(200)
    await bank.insert(with_the_step)
    before, chosen, killed = sum(await bank.balances()), random.Random(7), 0
    traps = [proxy.trap("COMMIT;", moment, purpose="worker", times=10) for moment in ("request", "answer")]
    with ExitStack() as processes:
        alive: list[WorkerProcess] = []
        while not await bank.is_done():
            for process in [one for one in alive if one.process.poll() is not None]:
                alive.remove(process)
                assert process.process.returncode == -signal.SIGKILL
                killed += 1
                await expire_lease(bank.connection, process.pid)
            while len(alive) < 2:
                point, turn = chosen.choice(POINTS), chosen.randint(1, 25)
                settings = {"kill_at": point, "kill_on": turn, "poll": 0.3, "queues": {"default": 5}}
                alive.append(processes.enter_context(worker_process(proxy.dsn, effects, **settings)))
            await eventually(lambda: is_done_or_short(bank, alive), deadline=60)
    after = sum(await bank.balances())
    log.info(
        "%d transfers, %d processes killed, %d commits cut; balance before %d, after %d; each transfer made once",
        *(len(bank.transfers), killed, sum(trap.caught for trap in traps), before, after),
    )
    assert (killed >= 3, sum(trap.caught for trap in traps)) == (True, 20)
    assert after == before
    await bank.assert_each_once()


async def is_done_or_short(bank, alive):
    return any(one.process.poll() is not None for one in alive) or await bank.is_done()


@pytest.mark.parametrize(
    ("kind", "point"),
    [
        (statement_by_statement, "after the first statement"),
        (statement_by_statement, "after the last statement"),
        (in_its_own_transaction, "after the worker"),
        (in_its_own_transaction, "before settle"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
async def test_the_control_loses_or_doubles_money(engine, bank, effects, monkeypatch, kind, point):
    """The same transfers and kills, with workers that are not transactional."""
    monkeypatch.setenv("BATON_DATABASE_URL", engine.connector.dsn)
    await bank.insert(kind)
    with worker_process(engine.connector.dsn, effects, kill_at=point, queues={"default": 4}) as killed:
        assert await killed.ended() == -signal.SIGKILL

        async with finished_by_another(engine, bank, killed.pid):
            balances, doubled = await bank.balances(), len(await bank.made()) - len(bank.transfers)
    log.info(
        "the control, killed %s: %d transfers, balance before %d, after %d; transfers made twice: %d",
        *(point, len(bank.transfers), BALANCE * ACCOUNTS, sum(balances), doubled),
    )
    assert balances != bank.expected()
    assert sum(balances) != BALANCE * ACCOUNTS or doubled > 0
