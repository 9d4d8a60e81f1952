"""What has to be done for an order. `baton worker examples.orders.workers` runs it."""

from __future__ import annotations

import asyncio
import os

import asyncpg

from baton import Baton, Context, result_of, worker

SECONDS_TO_PACK = float(os.environ.get("ORDERS_SECONDS_TO_PACK", "5"))


def database_address() -> str:
    return os.environ.get("BATON_DATABASE_URL") or os.environ["DATABASE_URL"]


def fulfilment(order: int) -> Baton:
    """The workflow of an order: paid for while it is packed, then shipped."""
    return (
        Baton.new(workflow_id=f"order-{order}", workflow_name="fulfilment")
        .add("check", check.new(order=order))
        .add("charge", charge.new(order=order), deps=["check"])
        .add("pack", pack.new(order=order), deps=["check"])
        .add("ship", ship.new(order=order, receipt=result_of("charge"), parcel=result_of("pack")))
    )


@worker
async def check(order: int) -> str:
    return f"order {order} can be delivered"


@worker(max_attempts=5)
async def charge(ctx: Context, order: int) -> str:
    # An attempt may be killed after the payment and before it is settled. The key is the same for
    # each attempt, so the next one finds the payment.
    connection = await asyncpg.connect(database_address())
    try:
        query = "insert into payments (idempotency_key, order_id) values ($1, $2) on conflict do nothing"
        await connection.execute(query, ctx.idempotency_key, order)
    finally:
        await connection.close()
    return f"receipt {ctx.idempotency_key}"


@worker(timeout=3600)
async def pack(ctx: Context, order: int) -> str:
    ctx.log.info("packing takes %g s", SECONDS_TO_PACK)
    await asyncio.sleep(SECONDS_TO_PACK)
    return f"parcel {order}"


@worker
async def ship(order: int, receipt: str, parcel: str) -> str:
    return f"{parcel} of order {order} is under way, {receipt} enclosed"
