"""What has to be done for an order. `baton worker examples.orders.workers` runs it."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from datetime import timedelta

import asyncpg

from baton import Baton, Context, Receive, result_of, worker

SECONDS_TO_PACK = float(os.environ.get("ORDERS_SECONDS_TO_PACK", "5"))
MOST_WITHOUT_APPROVAL = 10


def database_address() -> str:
    return os.environ.get("BATON_DATABASE_URL") or os.environ["DATABASE_URL"]


@dataclass
class Approval:
    by: str


def fulfilment(order: int, quantity: int = 1) -> Baton:
    """The workflow of an order: paid for while it is packed, then shipped; approved before that if it is large."""
    flow = Baton.new(workflow_id=f"order-{order}", workflow_name="fulfilment").add("check", check.new(order=order))
    before = ["check"]
    if quantity > MOST_WITHOUT_APPROVAL:
        before = _approved(flow, order)
    return (
        # Of an order that was approved at once, the steps that ask again are skipped.
        flow.add("charge", charge.new(order=order), deps=before, ignore_skipped=True)
        .add("pack", pack.new(order=order), deps=before, ignore_skipped=True)
        .add("ship", ship.new(order=order, receipt=result_of("charge"), parcel=result_of("pack")))
    )


def _approved(flow: Baton, order: int) -> list[str]:
    """Let an order wait for its approval: for a day, and after a reminder for six more."""
    kind = Approval | None
    flow.add("approval", Receive("approval", kind, timeout=timedelta(days=1), default=None), deps=["check"])
    flow.add("remind", remind.new(order=order), when=result_of("approval").in_([None]))
    flow.add("late approval", Receive("approval", Approval, timeout=timedelta(days=6)), deps=["remind"])
    return ["approval", "late approval"]


@worker
async def check(order: int) -> str:
    return f"order {order} can be delivered"


@worker
async def remind(ctx: Context, order: int) -> None:
    ctx.log.warning("order %d waits for its approval since yesterday", order)


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
