"""A worker that spends what it has estimated, or more; run by processes that are killed."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from baton import Context, WorkerPool, worker
from baton.llm import PriceTable, TokenPrice, Usage

PRICES = PriceTable({"m": TokenPrice(input=Decimal(1_000_000), output=Decimal(0))}, version="a dollar a token")


@worker(name="budget spend slowly", max_attempts=50, backoff=0)
async def spend_slowly(ctx: Context, tokens: int) -> int:
    await asyncio.sleep(0.05)
    ctx.record_usage(Usage(model="m", input_tokens=tokens, output_tokens=0))
    return tokens


def pool() -> WorkerPool:
    return WorkerPool(queues={"default": 100}, lease=3, poll=0.5, prices=PRICES, keep=None)
