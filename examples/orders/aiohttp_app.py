"""The order service in aiohttp: `python -m examples.orders.aiohttp_app [PORT]`."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from aiohttp import web

from baton.contrib.aiohttp import baton_context, end_streams, event_stream
from examples.orders.shop import Order, RefusedOrderError, Shop, opened_shop, run_of

SHOP = web.AppKey("shop", Shop)
routes = web.RouteTableDef()


@routes.post("/orders")
async def place_order(request: web.Request) -> web.Response:
    try:
        order = msgspec.json.decode(await request.read(), type=Order)
        return web.json_response({"id": await request.app[SHOP].place(order)}, status=202)
    except (msgspec.DecodeError, RefusedOrderError) as error:
        raise web.HTTPUnprocessableEntity(text=str(error)) from error


@routes.get("/orders/{number:[0-9]+}")
async def read_order(request: web.Request) -> web.Response:
    return web.json_response(await known_order(request))


@routes.get("/orders/{number:[0-9]+}/events")
async def follow_order(request: web.Request) -> web.StreamResponse:
    order = await known_order(request)
    return await event_stream(request, run_of(order["id"]))


@routes.post("/orders/{number:[0-9]+}/cancel")
async def cancel_order(request: web.Request) -> web.Response:
    order = await known_order(request)
    return web.json_response({"cancelled": await run_of(order["id"]).cancel(reason="the customer asked for it")})


async def known_order(request: web.Request) -> dict[str, Any]:
    order = await request.app[SHOP].read(int(request.match_info["number"]))
    if order is None:
        raise web.HTTPNotFound(text="there is no such order")
    return order


async def shop_context(app: web.Application) -> AsyncIterator[None]:
    async with opened_shop() as app[SHOP]:
        yield


def application() -> web.Application:
    app = web.Application()
    app.add_routes(routes)
    # The steps are run by other processes: there is no pool here.
    app.cleanup_ctx.extend([baton_context(), shop_context])
    app.on_shutdown.append(end_streams)
    return app


if __name__ == "__main__":
    web.run_app(application(), host="127.0.0.1", port=int(sys.argv[1]) if sys.argv[1:] else 8000)
