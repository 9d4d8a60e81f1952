"""Baton in an aiohttp application."""

from __future__ import annotations

from contextlib import asynccontextmanager

import httpx
import pytest
from aiohttp import web

from baton import BatonError, Engine, EngineClosed, NoEngine, Run, WorkerPool, worker
from baton.contrib.aiohttp import ENGINE, STREAMS, baton_context, end_streams, engine_of, event_stream
from tests.waiting import eventually


def application(*contexts) -> web.Application:
    app = web.Application()
    app.cleanup_ctx.extend(contexts)
    app.on_shutdown.append(end_streams)
    app.router.add_get("/schema", schema)
    app.router.add_get("/runs/{id}/events", events)
    return app


async def schema(request):
    try:
        return web.Response(text=engine_of(request).schema)
    except NoEngine as error:
        return web.Response(text=str(error), status=500)


async def events(request):
    return await event_stream(request, Run(request.match_info["id"]))


@asynccontextmanager
async def served(app):
    runner = web.AppRunner(app, access_log=None)
    try:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0]
        async with httpx.AsyncClient(base_url=f"http://{host}:{port}", trust_env=False) as client:
            yield client
    finally:
        await runner.cleanup()


async def test_handlers_find_the_engine_the_context_opened(database):
    engine = Engine(database)
    app = application(baton_context(engine))
    async with served(app) as client:
        assert (await client.get("/schema")).text == "baton"
        assert app[ENGINE] is engine

    with pytest.raises(EngineClosed):
        _ = engine.store


async def test_an_application_below_finds_it_too(database):
    app = application(baton_context(Engine(database)))
    app.add_subapp("/below", application())
    async with served(app) as client:
        assert (await client.get("/below/schema")).text == "baton"


async def test_a_pool_runs_steps_in_the_application(database, doubled):
    async with served(application(baton_context(Engine(database), pool=WorkerPool()))):
        assert await (await doubled.new(21).insert()).result(timeout=20) == 42


async def test_the_pool_drains_before_earlier_contexts_are_left(database):
    seen = []

    @worker(name="last")
    async def last() -> None:
        seen.append("step")

    async def own(app):
        yield
        seen.append("own ended")

    async with served(application(own, baton_context(Engine(database), pool=WorkerPool()))):
        await (await last.new().insert()).wait(timeout=20)

    assert seen == ["step", "own ended"]


async def test_a_context_used_twice_says_what_to_do(database):
    context = baton_context(Engine(database))
    async with served(application(context)):
        with pytest.raises(BatonError, match="entered already; use it as it is, or make another one"):
            async with served(application(context)):
                pass


async def test_an_engine_that_nobody_opened_is_an_error_that_says_what_to_do():
    async with served(application()) as client:
        answer = await client.get("/schema")

    assert answer.text == "no engine is open: let the application do it with app.cleanup_ctx.append(baton_context(...))"


async def test_the_events_of_an_unknown_run_are_not_found(database):
    """A browser opens a stream that ended again and again, unless the answer is an error."""
    async with served(application(baton_context(Engine(database)))) as client:
        answer = await client.get("/runs/none/events")

    assert (answer.status_code, answer.text.partition(";")[0]) == (404, "there is no workflow 'none'")


async def test_a_client_that_leaves_ends_its_stream(database, doubled):
    """aiohttp finds out when it writes: the stream says every few seconds that there is nothing new."""
    engine = Engine(database)
    app = application(baton_context(engine))
    async with served(app) as client:
        run = await doubled.new(1).insert()
        async with client.stream("GET", f"/runs/{run.id}/events") as response:
            assert await anext(response.aiter_lines()) == "event: level"
            assert app[STREAMS].number_open == 1

        await eventually(lambda: app[STREAMS].number_open == 0, deadline=30)
