"""Transfers between accounts, in a transaction that commits with the step and, for comparison, in ordinary workers."""

from __future__ import annotations

import os
from typing import Any

import asyncpg

from baton import Context, worker
from baton.runtime.failpoints import reach

TABLES = """
create table public.accounts (id integer primary key, balance integer not null);
create table public.transfers (id text not null, source integer, target integer, amount integer);
"""


@worker(name="transfer with the step", transactional=True)
async def with_the_step(ctx: Context, source: int, target: int, amount: int) -> int:
    return await move(ctx.connection, ctx.step, source, target, amount)


@worker(name="transfer with a prepared statement", transactional=True)
async def with_a_prepared_statement(ctx: Context, source: int, target: int, amount: int) -> int:
    """From the preparation to the next statement the server takes the session for active, and not for idle."""
    await ctx.connection.execute("select from public.accounts order by id for update")
    await ctx.connection.prepare("select 1")
    await reach("a statement is prepared")
    return await move(ctx.connection, ctx.step, source, target, amount)


@worker(name="transfer statement by statement")
async def statement_by_statement(ctx: Context, source: int, target: int, amount: int) -> int:
    """What was written before a crash stays, and the next attempt starts from the beginning."""
    connection = await asyncpg.connect(os.environ["BATON_DATABASE_URL"])
    try:
        return await move(connection, ctx.step, source, target, amount)
    finally:
        await connection.close()


@worker(name="transfer in a transaction of its own")
async def in_its_own_transaction(ctx: Context, source: int, target: int, amount: int) -> int:
    """A transfer is never half done; but after a crash between its commit and the settle it is done twice."""
    connection = await asyncpg.connect(os.environ["BATON_DATABASE_URL"])
    try:
        async with connection.transaction():
            return await move(connection, ctx.step, source, target, amount)
    finally:
        await connection.close()


async def move(connection: Any, transfer: str, source: int, target: int, amount: int) -> int:
    # In the order of the accounts: two transfers in opposite directions would deadlock.
    first, second = sorted(((source, -amount), (target, amount)))
    await connection.execute("update public.accounts set balance = balance + $2 where id = $1", *first)
    await reach("after the first statement")
    await connection.execute("update public.accounts set balance = balance + $2 where id = $1", *second)
    await reach("after the second statement")
    await connection.execute("insert into public.transfers values ($1, $2, $3, $4)", transfer, source, target, amount)
    await reach("after the last statement")
    return amount
