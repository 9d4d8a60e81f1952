"""Baton in a FastAPI application."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request, WebSocket

from baton import BatonError, Engine, EngineClosed, NoEngine, Run, WorkerPool, worker
from baton.contrib.fastapi import EngineDep, baton_lifespan, engine_of, event_stream
from tests.waiting import eventually


def application(lifespan) -> FastAPI:
    app = FastAPI(lifespan=lifespan)

    @app.get("/schema")
    async def schema(engine: EngineDep) -> str:
        return engine.schema

    @app.get("/runs/{number}/events")
    async def events(number: str, request: Request):
        return event_stream(request, Run(number))

    return app


@asynccontextmanager
async def asking(app):
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        yield client


async def test_handlers_are_given_the_engine_the_lifespan_opened(database):
    engine = Engine(database)
    app = application(baton_lifespan(engine))
    async with app.router.lifespan_context(app), asking(app) as client:
        assert (await client.get("/schema")).json() == "baton"
        assert engine_of(Request({"type": "http", "app": app})) is engine


async def test_each_application_has_its_own_engine(database, empty_database):
    one = application(baton_lifespan(Engine(database)))
    two = application(baton_lifespan(Engine(empty_database, schema="two")))
    async with one.router.lifespan_context(one), two.router.lifespan_context(two):
        async with asking(one) as client:
            assert (await client.get("/schema")).json() == "baton"
        async with asking(two) as client:
            assert (await client.get("/schema")).json() == "two"


async def test_a_websocket_is_given_it_too(database):
    app = application(baton_lifespan(Engine(database)))
    async with app.router.lifespan_context(app):
        assert engine_of(WebSocket({"type": "websocket", "app": app}, None, None)).schema == "baton"


async def test_a_mounted_application_is_given_the_engine_entered_last(database):
    app, mounted = FastAPI(lifespan=baton_lifespan(Engine(database))), application(None)
    app.mount("/below", mounted)
    async with app.router.lifespan_context(app), asking(app) as client:
        assert (await client.get("/below/schema")).json() == "baton"


async def test_the_address_is_taken_from_the_environment(database, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", database)
    app = application(baton_lifespan())
    async with app.router.lifespan_context(app), asking(app) as client:
        assert (await client.get("/schema")).json() == "baton"


async def test_a_pool_runs_steps_in_the_application(database, doubled):
    app = application(baton_lifespan(Engine(database), pool=WorkerPool()))
    async with app.router.lifespan_context(app):
        assert await (await doubled.new(21).insert()).result(timeout=20) == 42


async def test_the_applications_lifespan_is_within_the_engine(database):
    """It is around the pool: workers may use what it opens."""
    seen = []

    @worker(name="slow")
    async def slow() -> None:
        seen.append("step began")
        began.set()
        await asyncio.sleep(0)
        await may_end.wait()
        seen.append("step ended")

    @asynccontextmanager
    async def own(app):
        await slow.new().insert()  # into the default engine
        seen.append("own began")
        yield {"answer": 42}
        seen.append("own ended")

    began, may_end = asyncio.Event(), asyncio.Event()
    app = application(baton_lifespan(Engine(database), pool=WorkerPool(), lifespan=own))
    async with app.router.lifespan_context(app) as state:
        assert state == {"answer": 42}
        await asyncio.wait_for(began.wait(), 20)
        asyncio.get_running_loop().call_later(0.1, may_end.set)

    assert seen == ["own began", "step began", "step ended", "own ended"]


async def test_it_is_an_ordinary_context_in_the_applications_own_lifespan(database):
    baton = baton_lifespan(Engine(database))

    @asynccontextmanager
    async def own(app):
        async with baton(app):
            yield {"answer": 42}

    app = application(own)
    async with app.router.lifespan_context(app) as state, asking(app) as client:
        assert (await client.get("/schema")).json() == "baton"
        assert state == {"answer": 42}


async def test_entered_twice_it_says_what_to_do(database):
    lifespan = baton_lifespan(Engine(database))
    one, two = application(lifespan), application(lifespan)
    async with one.router.lifespan_context(one):
        with pytest.raises(BatonError, match=r"entered already; give each application.*a baton_lifespan\(\.\.\.\) of"):
            async with two.router.lifespan_context(two):
                pass
        async with asking(one) as client:
            assert (await client.get("/schema")).json() == "baton"


async def test_after_it_was_left_it_may_be_entered_again(database):
    app = application(baton_lifespan(Engine(database), pool=WorkerPool()))
    for _ in range(2):
        async with app.router.lifespan_context(app), asking(app) as client:
            assert (await client.get("/schema")).json() == "baton"


async def test_an_engine_that_nobody_opened_is_an_error_that_says_what_to_do(database):
    app = application(baton_lifespan(Engine(database)))
    async with asking(app) as client:
        with pytest.raises(NoEngine, match=r"FastAPI\(lifespan=baton_lifespan\(\.\.\.\)\), and in tests enter its"):
            await client.get("/schema")


async def test_a_lifespan_that_fails_closes_the_engine(database):
    @asynccontextmanager
    async def own(app):
        raise OSError("no disk")
        yield

    engine = Engine(database)
    app = application(baton_lifespan(engine, lifespan=own))
    with pytest.raises(OSError, match="no disk"):
        async with app.router.lifespan_context(app):
            pass
    with pytest.raises(EngineClosed):
        _ = engine.store


async def test_the_events_of_an_unknown_run_are_not_found(database):
    """A browser opens a stream that ended again and again, unless the answer is an error."""
    app = application(baton_lifespan(Engine(database)))
    async with app.router.lifespan_context(app), asking(app) as client:
        for number in ("none", "%00"):
            answer = await client.get(f"/runs/{number}/events")
            assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
            assert answer.json()["detail"].startswith("there is no workflow ")


async def test_a_client_that_leaves_ends_its_stream(database, doubled):
    engine = Engine(database)
    server = uvicorn.Server(uvicorn.Config(application(baton_lifespan(engine)), port=0, log_level="error"))
    serving = asyncio.ensure_future(server.serve())
    await eventually(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    run = await doubled.new(1).insert()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        async with client.stream("GET", f"/runs/{run.id}/events") as response:
            assert await anext(response.aiter_lines()) == "event: level"
            assert engine.listener.number_of_subscribers == 1

        await eventually(lambda: engine.listener.number_of_subscribers == 0)
    server.should_exit = True
    await serving
