"""The shop's own tables, and what is done with them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from baton import Run, WorkflowNotFound
from examples.orders.workers import Approval, database_address, fulfilment

TABLES = """
    create table if not exists articles (name text primary key);
    insert into articles values ('kettle'), ('teapot') on conflict do nothing;

    -- The foreign key is checked when the transaction commits, after the order's workflow was inserted.
    create table if not exists orders (
        id       bigint generated always as identity primary key,
        article  text not null references articles deferrable initially deferred,
        quantity integer not null check (quantity > 0)
    );

    create table if not exists approvals (order_id bigint primary key references orders, approved_by text not null);

    create table if not exists payments (idempotency_key text primary key, order_id bigint not null references orders);
"""


class RefusedOrderError(Exception):
    """The order was not taken: neither it nor its workflow is there."""


@dataclass
class Order:
    article: str
    quantity: int = 1


class Shop:
    def __init__(self, connections: asyncpg.Pool) -> None:
        self._connections = connections

    async def place(self, order: Order) -> int:
        """Write an order and the workflow that fulfils it: both, or neither."""
        try:
            async with self._connections.acquire() as connection, connection.transaction():
                query = "insert into orders (article, quantity) values ($1, $2) returning id"
                number: int = await connection.fetchval(query, order.article, order.quantity)
                await fulfilment(number, order.quantity).insert(using=connection)
        except asyncpg.ForeignKeyViolationError as error:
            raise RefusedOrderError(f"there is no article {order.article!r}") from error
        except asyncpg.CheckViolationError as error:
            raise RefusedOrderError(f"{order.quantity} is no quantity") from error
        return number

    async def approve(self, number: int, by: str) -> None:
        """Write who approved an order, and let its workflow go on: both, or neither. Of several the first counts."""
        async with self._connections.acquire() as connection, connection.transaction():
            query = "insert into approvals (order_id, approved_by) values ($1, $2) on conflict do nothing"
            await connection.execute(query, number, by)
            await run_of(number).send("approval", Approval(by), key="approval", using=connection)

    async def read(self, number: int) -> dict[str, Any] | None:
        row = await self._connections.fetchrow("select id, article, quantity from orders where id = $1", number)
        return None if row is None else dict(row) | await progress(run_of(number))


def run_of(number: int) -> Run:
    """Return the run of an order. The id of its workflow follows from its number, so no column keeps it."""
    return Run(f"order-{number}")


async def progress(run: Run) -> dict[str, Any]:
    try:
        status, steps = await run.status(), await run.steps()
    except WorkflowNotFound:  # finished long ago and pruned
        return {"state": "archived", "steps": []}
    return {
        "state": status.state,
        "steps": [{"name": one.name, "state": one.state, "attempt": one.attempt} for one in steps],
    }


@asynccontextmanager
async def opened_shop() -> AsyncIterator[Shop]:
    async with asyncpg.create_pool(database_address(), min_size=1, max_size=5) as connections:
        async with connections.acquire() as connection, connection.transaction():
            await connection.execute("select pg_advisory_xact_lock(4711)")  # several processes may start at once
            await connection.execute(TABLES)
        yield Shop(connections)
