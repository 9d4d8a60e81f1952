"""The order service in FastAPI: `uvicorn examples.orders.fastapi_app:app`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse

from baton import SignalRefused
from baton.contrib.fastapi import baton_lifespan, event_stream
from examples.orders.shop import Order, RefusedOrderError, Shop, opened_shop, run_of
from examples.orders.workers import Approval


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with opened_shop() as app.state.shop:
        yield


# Around the shop's own lifespan. The steps are run by other processes: there is no pool here.
app = FastAPI(lifespan=baton_lifespan(lifespan=lifespan))


def shop(request: Request) -> Shop:
    return request.app.state.shop


async def known_order(number: int, shop: ShopDep) -> dict[str, Any]:
    order = await shop.read(number)
    if order is None:
        raise HTTPException(404, f"there is no order {number}")
    return order


ShopDep = Annotated[Shop, Depends(shop)]
KnownOrder = Annotated[dict[str, Any], Depends(known_order)]


@app.post("/orders", status_code=202)
async def place_order(order: Order, shop: ShopDep) -> dict[str, int]:
    try:
        return {"id": await shop.place(order)}
    except RefusedOrderError as error:
        raise HTTPException(422, str(error)) from error


@app.get("/orders/{number}")
async def read_order(order: KnownOrder) -> dict[str, Any]:
    return order


@app.get("/orders/{number}/events")
async def follow_order(order: KnownOrder, request: Request) -> StreamingResponse:
    return event_stream(request, run_of(order["id"]))


@app.post("/orders/{number}/approve")
async def approve_order(order: KnownOrder, approval: Approval, shop: ShopDep) -> dict[str, str]:
    try:
        await shop.approve(order["id"], approval.by)
    except SignalRefused as error:
        raise HTTPException(409, str(error)) from error
    return {"approved by": approval.by}


@app.post("/orders/{number}/cancel")
async def cancel_order(order: KnownOrder) -> dict[str, int]:
    return {"cancelled": await run_of(order["id"]).cancel(reason="the customer asked for it")}
