"""An order and the workflow that ships it, written in one transaction: both are there, or neither is.

    python examples/transactional_insert.py postgresql://localhost/app

Without an address it uses BATON_DATABASE_URL or DATABASE_URL. It makes a table `shop_orders` and drops it at the end.
"""

from __future__ import annotations

import asyncio
import os
import sys

import asyncpg

from baton import Baton, Engine, WorkerPool, worker

ADDRESS = sys.argv[1] if sys.argv[1:] else os.environ.get("BATON_DATABASE_URL") or os.environ["DATABASE_URL"]


@worker
async def charge(order: int) -> str:
    return f"charged order {order}"


@worker
async def ship(order: int) -> str:
    return f"shipped order {order}"


async def place_order(connection: asyncpg.Connection, article: str, *, is_paid: bool):
    async with connection.transaction():
        order = await connection.fetchval("insert into shop_orders (article) values ($1) returning id", article)
        run = await (
            Baton.new(workflow_name=f"order {order}")
            .add("charge", charge.new(order=order))
            .add("ship", ship.new(order=order), deps=["charge"])
            .insert(using=connection)
        )
        if not is_paid:
            raise ValueError("the card was refused")
    return run


async def main() -> None:
    connection = await asyncpg.connect(ADDRESS)
    await connection.execute("create table shop_orders (id bigserial primary key, article text not null)")
    async with Engine(ADDRESS), WorkerPool():
        run = await place_order(connection, "a kettle", is_paid=True)
        print(await run.result("ship", timeout=60))
        try:
            await place_order(connection, "a teapot", is_paid=False)
        except ValueError as error:
            print(f"rolled back: {error}")
        orders = await connection.fetchval("select count(*) from shop_orders")
        workflows = await connection.fetchval("select count(*) from baton.workflows where name like 'order %'")
        print(f"{orders} order, {workflows} workflow")
    await connection.execute("drop table shop_orders")
    await connection.close()


if __name__ == "__main__":
    asyncio.run(main())
