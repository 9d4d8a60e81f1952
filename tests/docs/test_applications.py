"""What docs/applications.md shows runs as it stands."""

from __future__ import annotations

import ast
import asyncio
import re
import subprocess
import sys
import textwrap
from functools import partial

import asyncpg
import httpx
import psycopg
import pytest
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

import baton
from baton import Baton, Run, WorkerPool, worker
from tests.cli.command import ROOT, assert_succeeded, environment, python

PATH = ROOT / "docs" / "applications.md"
TEXT = PATH.read_text()
SECTION = re.compile(r"^##+ (?P<title>[^\n]*)$|^```python\n(?P<source>.*?)^```", re.MULTILINE | re.DOTALL)


def blocks() -> dict[str, str]:
    """The Python blocks, by the heading they stand under."""
    found, title = {}, ""
    for match in SECTION.finditer(TEXT):
        title = match["title"] or title
        if match["source"]:
            found[title] = match["source"]
    return found


BLOCKS = blocks()


@worker(name="applications ship")
async def ship(order: int) -> str:
    return f"shipped {order}"


@pytest.fixture
async def orders(database):
    """A table of orders, in which a teapot is refused when the transaction commits; and what is in the database."""
    connection = await asyncpg.connect(database)
    await connection.execute(
        """
        create table articles (name text primary key);
        insert into articles values ('kettle');
        create table orders (
            id bigserial primary key, article text references articles deferrable initially deferred
        );
        """
    )

    async def stored():
        return [await connection.fetchval(f"select count(*) from {table}") for table in ("orders", "baton.workflows")]

    yield stored
    await connection.close()


def defined(section: str) -> dict:
    names = {"ship": ship}
    exec(BLOCKS[section], names)
    return names


NO_ASYNC = "Without async: cancel, retry and read"


def test_every_block_is_run_here():
    assert list(BLOCKS) == ["FastAPI", "aiohttp", "SQLAlchemy", "psycopg", "Any other driver", NO_ASYNC, "Django"]


@pytest.mark.parametrize("section", BLOCKS)
def test_what_is_imported_is_exported(section):
    imported = [node for node in ast.walk(ast.parse(BLOCKS[section])) if isinstance(node, ast.ImportFrom)]

    assert {name.name for node in imported if node.module == "baton" for name in node.names} <= set(baton.__all__)


async def test_the_fastapi_application_answers(database, monkeypatch, capsys):
    monkeypatch.setenv("DATABASE_URL", database)
    app = defined("FastAPI")["app"]
    async with app.router.lifespan_context(app):
        run = await ship.new(7).insert()
        assert await run.result(timeout=20) == "shipped 7"
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            assert (await client.get(f"/runs/{run.id}")).json() == {"completed": 1}
            assert (await client.get("/runs/nowhere")).status_code == 404
            assert (await client.get(f"/runs/{run.id}/events")).text.endswith(
                'data: {"state": "completed", "counts": {"completed": 1}}\n\n'
            )

    assert capsys.readouterr().out == "the application's own lifespan: the engine is open\n"


async def test_the_aiohttp_application_answers(database, monkeypatch):
    from aiohttp import web

    monkeypatch.setenv("DATABASE_URL", database)
    runner = web.AppRunner(defined("aiohttp")["app"], access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    run = await ship.new(7).insert()
    await run.cancel()
    host, port = runner.addresses[0]
    async with httpx.AsyncClient(base_url=f"http://{host}:{port}", trust_env=False) as client:
        assert (await client.get(f"/runs/{run.id}")).json() == {"cancelled": 1}
        assert (await client.get("/runs/nowhere")).status_code == 404
        assert (await client.get(f"/runs/{run.id}/events")).text.endswith(
            'data: {"state": "cancelled", "counts": {"cancelled": 1}}\n\n'
        )
    await runner.cleanup()


async def test_an_order_is_placed_with_sqlalchemy(database, orders, engine):
    place_order = defined("SQLAlchemy")["place_order"]
    sqlalchemy = create_async_engine(database.replace("postgresql://", "postgresql+asyncpg://", 1))
    async with AsyncSession(sqlalchemy) as session:
        assert (await Run(await place_order(session, "kettle")).status()).state == "executing"
        with pytest.raises(Exception, match="foreign key"):
            await place_order(session, "teapot")
    await sqlalchemy.dispose()

    assert await orders() == [1, 1]


async def test_an_order_is_placed_with_psycopg(database, orders, engine):
    place_order = defined("psycopg")["place_order"]
    async with await psycopg.AsyncConnection.connect(database) as connection:
        assert (await Run(await place_order(connection, "kettle")).status()).state == "executing"
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            await place_order(connection, "teapot")

    assert await orders() == [1, 1]


async def test_an_order_is_placed_with_a_synchronous_driver(database, orders, engine):
    place_order = defined("Any other driver")["place_order"]
    with psycopg.connect(database) as connection:
        assert (await Run(place_order(connection, "kettle")).status()).state == "executing"
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            place_order(connection, "teapot")

    assert await orders() == [1, 1]


async def test_an_order_is_cancelled_and_retried_without_async(database, engine):
    named = defined(NO_ASYNC)
    with psycopg.connect(database, autocommit=True) as connection:
        run = await Baton.new().add("a", ship.new(7)).add("b", ship.new(8), deps=["a"]).insert()
        call = {name: partial(named[name], connection, run.id) for name in named if name.endswith(("_order", "_of"))}

        assert call["steps_of"]() == [("a", "available", None), ("b", "suspended", None)]
        with pytest.raises(ValueError, match=r"no such steps: \['c'\]; not final yet: \['a'\]"):
            call["retry_order"]("a", "c")
        assert (call["cancel_order"]("too late"), call["state_of"]()) == (2, "cancelled")
        assert (await run.steps())[0].reason == "too late"
        assert (call["retry_order"](), call["state_of"]()) == (2, "executing")
        async with WorkerPool(engine):
            await run.wait(timeout=20)
        assert call["steps_of"]() == [("a", "completed", "shipped 7"), ("b", "completed", "shipped 8")]

        unknown = {
            name: partial(named[name], connection, "none") for name in ("cancel_order", "retry_order", "state_of")
        }
        assert (unknown["cancel_order"]("x"), unknown["retry_order"](), unknown["state_of"]()) == (None, None, None)


async def test_a_cancel_commits_with_the_transaction_that_calls_it(database, engine):
    run = await ship.new(7).insert()
    with psycopg.connect(database) as connection:
        assert defined(NO_ASYNC)["cancel_order"](connection, run.id, "not at all") == 1
        connection.rollback()

    assert (await run.status()).state == "executing"


async def test_a_workflow_that_is_held_is_not_waited_for_for_long(database, engine, connection):
    run = await ship.new(7).insert()
    async with connection.transaction():
        await connection.execute("select from baton.workflows where id = $1 for update", run.id)
        with psycopg.connect(database) as other, pytest.raises(psycopg.errors.LockNotAvailable):
            await asyncio.to_thread(defined(NO_ASYNC)["cancel_order"], other, run.id, "x")


@pytest.mark.slow
async def test_an_order_is_placed_with_django(database, orders, tmp_path):
    use = """
        import django
        from django.conf import settings
        from django.db import IntegrityError

        address = psycopg.conninfo.conninfo_to_dict(sys.argv[1])
        default = {
            "ENGINE": "django.db.backends.postgresql", "NAME": address["dbname"], "USER": address["user"],
            "HOST": address.get("host", ""), "PORT": address.get("port", ""), "PASSWORD": address.get("password", ""),
        }
        settings.configure(DATABASES={"default": default})
        django.setup()

        order = place_order("kettle")
        print(state_of(order), cancel_order(order, "too late"), state_of(order))
        try:
            place_order("teapot")
        except IntegrityError:
            print("refused")
    """
    jobs = "from baton import worker\n\n@worker\ndef ship(order: int) -> None: ...\n"
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "jobs.py").write_text(jobs)
    (tmp_path / "shop.py").write_text(
        f"import sys\n\nimport psycopg.conninfo\n\n{BLOCKS['Django']}\n{textwrap.dedent(use)}"
    )

    said = assert_succeeded(python("shop.py", database, cwd=tmp_path))
    assert said == "executing 1 cancelled\nrefused\n"
    assert await orders() == [1, 1]


def test_the_commands_are_understood():
    commands = re.findall(r"`baton (\w+)", TEXT)
    helped = subprocess.run(
        [sys.executable, "-m", "baton", "--help"], env=environment(), capture_output=True, text=True, check=True
    )

    assert set(commands) <= set(re.findall(r"^    (\w+) ", helped.stdout, re.MULTILINE))


def test_every_link_leads_somewhere():
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT)

    assert targets
    assert [target for target in targets if not (PATH.parent / target).exists()] == []
