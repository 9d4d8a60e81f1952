"""The proxy does what the tests of faults rely on."""

from __future__ import annotations

import asyncio
import time

import asyncpg
import pytest

from tests.waiting import eventually

COUNT = "select count(*) from kept"
KEEP = "insert into kept values ($1)"


@pytest.fixture
async def through(proxy, connection):
    """A connection through the proxy, to a database with a table."""
    await connection.execute("create table public.kept (number integer)")
    opened = await asyncpg.connect(proxy.dsn, server_settings={"application_name": "baton test"})
    await opened.fetch(KEEP, 0)
    yield opened
    opened.terminate()


async def test_a_call_cut_at_the_request_is_never_seen_by_the_server(proxy, through, connection):
    trap = proxy.trap("into kept", at="request")

    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await through.fetch(KEEP, 1)

    await trap.sprung()
    assert await connection.fetchval("select count(*) from public.kept") == 1


async def test_a_call_cut_at_the_answer_is_committed(proxy, through, connection):
    proxy.trap("into kept", at="answer")

    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await through.fetch(KEEP, 1)

    assert await connection.fetchval("select count(*) from public.kept") == 2


async def test_a_commit_cut_at_the_answer_has_happened(proxy, through, connection):
    proxy.trap("COMMIT", at="answer")

    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        async with through.transaction():
            await through.fetch(KEEP, 1)

    assert await connection.fetchval("select count(*) from public.kept") == 2


async def test_what_is_held_is_committed_and_goes_on_when_released(proxy, through, connection):
    trap = proxy.trap("into kept", at="answer", holds=True)
    call = asyncio.create_task(through.fetch(KEEP, 1))

    await trap.sprung()
    assert await connection.fetchval("select count(*) from public.kept") == 2
    assert not call.done()
    trap.release()
    await call


async def test_a_trap_is_for_its_purpose_and_springs_a_number_of_times(proxy, through):
    other = proxy.trap("into kept", at="request", purpose="another")
    trap = proxy.trap("into kept", at="answer", times=1, holds=True)
    trap.release()

    for number in range(3):
        await through.fetch(KEEP, number)

    assert (trap.caught, other.caught) == (1, 0)


async def test_a_frozen_connection_says_nothing_and_goes_on_when_thawed(proxy, through):
    assert proxy.freeze("test") == 1
    call = asyncio.create_task(through.fetchval(COUNT))

    await asyncio.wait([call], timeout=0.1)
    assert not call.done()
    proxy.thaw()

    assert await call == 1


async def test_newcomers_freeze_too_if_asked_for(proxy, through):
    proxy.freeze(newcomers=True)

    with pytest.raises(TimeoutError):
        await asyncpg.connect(proxy.dsn, timeout=0.1)


async def test_cutting_ends_the_connections_of_a_purpose(proxy, through):
    assert proxy.cut("another") == 0
    assert proxy.cut("test") == 1

    await eventually(through.is_closed)


async def test_latency_is_added_in_both_directions(proxy, through):
    proxy.latency_seconds = 0.05
    began = time.monotonic()

    await through.execute("select 1")

    assert 0.1 <= time.monotonic() - began < 1


async def test_round_trips_are_counted(proxy, through):
    await through.fetch(KEEP, 1)
    before = proxy.round_trips

    for number in range(5):
        await through.fetch(KEEP, number)

    assert proxy.round_trips - before == 5


async def test_many_megabytes_pass_unharmed(proxy, through):
    sent = "x" * 4_000_000

    assert await through.fetchval("select $1::text", sent) == sent
