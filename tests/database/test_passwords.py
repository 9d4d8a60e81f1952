"""Passwords reach the server as they were given, and no text that people read."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Iterator
from contextlib import suppress

import asyncpg
import pytest

from baton import Engine, WorkerPool, worker
from baton.embedded.server import EmbeddedServer
from tests.cli.command import baton
from tests.conftest import run_apart
from tests.waiting import eventually

CANARY = "c@n:ary[1]"
"""Nothing of it is quoted; and any half of it would be noticed."""
PIECES = ("c@n", "ary[1]", "ary%5B1%5D", "c%40n")


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    """A server that wants a password of the role `app`, and of nobody else."""
    with EmbeddedServer.start(temporary=True) as server:
        run_apart(lambda: _want_a_password(server))
        yield server


async def _want_a_password(server: EmbeddedServer) -> None:
    connection = await asyncpg.connect(server.dsn())
    await connection.execute(f"create role app login superuser password '{CANARY}'")
    rules = server.data / "pg_hba.conf"
    rules.write_text("local all app scram-sha-256\n" + rules.read_text())
    await connection.execute("select pg_reload_conf()")
    await connection.close()


@pytest.fixture
def address(server) -> str:
    """The address of the role `app`, without a password."""
    return server.dsn().replace("//postgres@", "//app@", 1)


@pytest.fixture
def with_password(address):
    """Return the address with this password in it."""
    return lambda password: address.replace("//app@", f"//app:{password}@", 1)


@pytest.fixture
def said(caplog):
    """All that was logged, and what the given errors say, with their causes."""
    caplog.set_level(logging.DEBUG)

    def said(*errors: BaseException) -> str:
        shown = [f"{error!s} {error!r} {''.join(traceback.format_exception(error))}" for error in errors]
        return "\n".join([caplog.text, *[f"{record.__dict__}" for record in caplog.records], *shown])

    return said


def assert_silent(text: str) -> None:
    assert [piece for piece in PIECES if piece in text] == []


async def test_a_password_in_an_address_need_not_be_quoted(with_password):
    async with Engine(with_password(CANARY)) as engine:
        assert await engine.queues() == []


async def test_a_password_may_be_given_apart_and_goes_first(with_password):
    async with Engine(with_password("another"), password=CANARY) as engine, WorkerPool(engine):
        assert engine.listener is not None
        await engine.listener.listening()


async def test_a_function_is_asked_for_the_password_of_each_connection(address):
    """The pool's, the heartbeat's and the listener's too: tokens expire after a quarter of an hour."""
    asked = []

    def token() -> str:
        asked.append(CANARY)
        return CANARY

    @worker
    async def quick() -> str:
        return "done"

    async with Engine(address, password=token) as engine, WorkerPool(engine):
        assert await (await quick.new().insert()).result(timeout=20) == "done"
        connection = await engine.connector.connect("test")
        opened = await connection.fetchval(
            "select count(*) from pg_stat_activity where application_name like 'baton %' and usename = 'app'"
        )
        await connection.close()
        assert len(asked) >= opened > 4


async def test_the_function_may_be_async(address):
    async def token() -> str:
        await asyncio.sleep(0)
        return CANARY

    async with Engine(address, password=token) as engine:
        assert await engine.queues() == []


@pytest.mark.parametrize("change", ["wrong password", "no server", "no host", "no database", "no role"])
async def test_no_password_is_in_what_a_failed_entry_says(with_password, change, said, tmp_path):
    address = {
        "wrong password": with_password(CANARY + "x"),
        "no server": f"postgresql://app:{CANARY}@localhost:1/app",
        "no host": f"postgresql://app:{CANARY}@no.such.host.invalid/app",
        "no database": with_password(CANARY).replace("/postgres?", "/none?", 1),
        "no role": with_password(CANARY).replace("//app:", "//nobody:", 1),
    }[change]
    with pytest.raises(Exception) as failed:  # noqa: PT011  # which one is not the question
        await Engine(address).__aenter__()

    assert_silent(said(failed.value))


async def test_no_password_is_in_what_a_pool_says_while_it_cannot_connect(server, with_password, said):
    """The password is changed while the pool runs, and then its connections are ended."""
    admin = await asyncpg.connect(server.dsn())
    try:
        async with Engine(with_password(CANARY)) as engine, WorkerPool(engine, lease=2, poll=0.2, grace=0):
            await engine.listener.listening()
            await admin.execute("alter role app password 'changed'")
            await admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'")
            await eventually(lambda: "the listener has no connection" in said(), deadline=20)
            await eventually(lambda: "the lease of pool" in said(), deadline=20)
            await eventually(lambda: "a call to the engine failed" in said(), deadline=20)
            with suppress(asyncpg.PostgresError, OSError):
                await asyncio.wait_for(engine.queues(), 1)
            await admin.execute(f"alter role app password '{CANARY}'")
    finally:
        await admin.execute(f"alter role app password '{CANARY}'")
        await admin.close()

    assert_silent(said())


async def test_nothing_that_holds_the_password_shows_it(with_password):
    async with Engine(with_password(CANARY), password=CANARY) as engine:
        assert_silent(f"{engine!r} {engine.connector!r} {engine.connections!r} {engine.store!r}")


@pytest.mark.parametrize(
    "arguments",
    [
        ["doctor", "--address"],
        ["show", "x", "--address"],
        ["migrate", "--address"],
        ["queues", "--address"],
        ["migrate", "--adress"],
        ["migrate"],
        ["--address"],
        ["show", "x", "--schema", "none", "--address"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("password", [CANARY + "x", f"{CANARY}/"], ids=["wrong", "not quoted"])
def test_no_command_prints_a_password(with_password, tmp_path, arguments, password):
    done = baton(*arguments, with_password(password), cwd=tmp_path)

    assert done.returncode != 0
    assert_silent(done.stdout + done.stderr)
