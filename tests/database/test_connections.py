"""The engine's own connections, and how a failed call is classified."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress

import asyncpg
import pytest

from baton.database.connections import Connections, Connector, ReconnectingConnection, describe, pause_before, replayed
from baton.database.failures import Failure, classify
from tests.waiting import eventually


async def raised_by(connection, query, *args):
    try:
        await connection.fetch(query, *args)
    except BaseException as error:  # noqa: BLE001  # any will do
        return error
    raise AssertionError(f"{query} raised nothing")


@pytest.mark.parametrize(
    ("query", "args", "failure"),
    [
        ("select $1::text", ("a \x00",), Failure.DATA),
        ("select $1::text", ("\ud800",), Failure.DATA),
        ("select $1::int", (2**40,), Failure.DATA),
        ("select $1::int", ("one",), Failure.DATA),
        ("select 'no json'::json", (), Failure.DATA),
        ("select 1/0", (), Failure.DATA),
        ("select pg_terminate_backend(pg_backend_pid())", (), Failure.PASSING),
        ("select pg_cancel_backend(pg_backend_pid())", (), Failure.LOCKED),
        ("select from nowhere", (), Failure.LASTING),
        ("do $$ begin raise serialization_failure; end $$", (), Failure.PASSING),
        ("do $$ begin raise deadlock_detected; end $$", (), Failure.PASSING),
        ("do $$ begin raise lock_not_available; end $$", (), Failure.LOCKED),
        ("do $$ begin raise disk_full; end $$", (), Failure.PASSING),
        ("do $$ begin raise read_only_sql_transaction; end $$", (), Failure.PASSING),
    ],
)
async def test_a_failed_call_is_classified_by_what_helps(connection, query, args, failure):
    assert classify(await raised_by(connection, query, *args)) is failure


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (ConnectionRefusedError(), Failure.PASSING),
        (FileNotFoundError("no socket"), Failure.PASSING),
        (TimeoutError(), Failure.PASSING),
        (asyncpg.InterfaceError("connection is closed"), Failure.PASSING),
        (asyncpg.InternalClientError("another operation (2) is in progress"), Failure.PASSING),
        (asyncpg.CannotConnectNowError("starting up"), Failure.PASSING),
        (asyncpg.TooManyConnectionsError("too many"), Failure.PASSING),
        (asyncpg.InvalidPasswordError("no"), Failure.LASTING),
        (asyncio.CancelledError(), Failure.LASTING),
        (ZeroDivisionError(), Failure.LASTING),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_a_failure_without_a_server_is_classified_too(error, failure):
    assert classify(error) is failure


async def test_a_connection_is_opened_again_after_its_backend_was_killed(database, connection):
    line = ReconnectingConnection(Connector(database), "test")
    (row,) = await line.fetch("select pg_backend_pid() as pid")
    await connection.execute("select pg_terminate_backend($1)", row["pid"])
    # The first call after that fails, unless the client has already read that the server closed.
    with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
        await line.fetch("select 1")

    (again,) = await line.fetch("select pg_backend_pid() as pid")
    await line.aclose()

    assert again["pid"] != row["pid"]


RUNNING = "select count(*) from pg_stat_activity where query like 'select pg_sleep%' and state = 'active'"


async def test_a_cancelled_call_leaves_no_connection_of_unknown_state(database, connection):
    line = ReconnectingConnection(Connector(database), "test")
    await line.fetch("select 1")
    sleeping = asyncio.create_task(line.fetch("select pg_sleep(30)"))
    await eventually(lambda: connection.fetchval(RUNNING))
    sleeping.cancel()
    await asyncio.wait([sleeping])

    assert [tuple(row) for row in await line.fetch("select 1")] == [(1,)]
    await line.aclose()


@pytest.mark.parametrize("ending", ["cancelled", "timed out"])
@pytest.mark.parametrize("kind", [ReconnectingConnection, Connections])
async def test_an_abandoned_call_ends_in_the_server(database, connection, monkeypatch, kind, ending):
    """A statement that nobody waits for would go on using the processor, and holding its locks."""
    monkeypatch.setattr("baton.database.connections.CALL_SECONDS", 0.5 if ending == "timed out" else 60)
    monkeypatch.setattr("baton.database.connections.APPLICATION_CALL_SECONDS", 0.5 if ending == "timed out" else 60)
    if kind is ReconnectingConnection:
        calls = ReconnectingConnection(Connector(database), "test")
    else:
        calls = Connections(Connector(database), size=1)
        await calls.open()
    sleeping = asyncio.create_task(calls.fetch("select pg_sleep(60)"))
    await eventually(lambda: connection.fetchval(RUNNING))
    if ending == "cancelled":
        sleeping.cancel()
    await asyncio.wait([sleeping])

    assert sleeping.cancelled() or isinstance(sleeping.exception(), TimeoutError)
    await eventually(lambda: connection.fetchval(f"select ({RUNNING}) = 0"), deadline=5)
    assert [tuple(row) for row in await calls.fetch("select 1")] == [(1,)]
    await calls.aclose()


async def test_an_abandoned_call_is_not_waited_for(database, connection):
    """The caller goes on at once, even if the server does not react."""
    connections = Connections(Connector(database), size=1)
    await connections.open()
    (row,) = await connections.fetch("select pg_backend_pid() as pid")
    sleeping = asyncio.create_task(connections.fetch("select pg_sleep(60)"))
    await eventually(lambda: connection.fetchval(RUNNING))
    os.kill(row["pid"], signal.SIGSTOP)
    try:
        sleeping.cancel()
        await asyncio.wait_for(asyncio.wait([sleeping]), 1)
        assert sleeping.cancelled()
    finally:
        os.kill(row["pid"], signal.SIGCONT)
    await connections.aclose()


async def test_a_failure_of_the_data_keeps_the_connection(database):
    line = ReconnectingConnection(Connector(database), "test")
    (before,) = await line.fetch("select pg_backend_pid() as pid")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await line.fetch("select 1/0")
    (after,) = await line.fetch("select pg_backend_pid() as pid")
    await line.aclose()

    assert before == after


async def test_our_connections_are_as_the_engine_needs_them(database, connection):
    """Whatever the defaults of the database are, which are made for others."""
    name = await connection.fetchval("select current_database()")
    unfit = {
        "default_transaction_isolation": "serializable",
        "default_transaction_read_only": "on",
        "statement_timeout": "1s",
        "idle_session_timeout": "1s",
        "jit": "on",
    }
    if connection.get_server_version().major >= 17:
        unfit["transaction_timeout"] = "1s"
    for setting, value in unfit.items():
        await connection.execute(f"alter database {name} set {setting} = '{value}'")
    ours, pool = ReconnectingConnection(Connector(database), "test"), Connections(Connector(database), size=1)
    await pool.open()
    for calls, purpose in ((ours, "test"), (pool, "engine")):
        found = {name: (await calls.fetch(f"show {name}"))[0][0] for name in ["application_name", *unfit]}
        assert found == {
            "application_name": f"baton {purpose}",
            "default_transaction_isolation": "read committed",
            "default_transaction_read_only": "off",
            "statement_timeout": "0",
            "idle_session_timeout": "0",
            "jit": "off",
            **({"transaction_timeout": "0"} if "transaction_timeout" in unfit else {}),
        }
    await ours.aclose()
    await pool.aclose()


async def test_a_call_is_repeated_after_transient_failures_until_it_succeeds():
    failures = [ConnectionResetError(), asyncpg.DeadlockDetectedError("lost"), asyncpg.LockNotAvailableError("held")]

    async def call():
        if failures:
            raise failures.pop()
        return "at last"

    assert await replayed(call, seconds=10) == "at last"


async def test_a_call_that_goes_on_failing_raises_when_its_time_is_up():
    async def call():
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        await replayed(call, seconds=0.2)


async def test_a_permanent_failure_is_raised_at_once():
    calls = []

    async def call():
        calls.append(1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await replayed(call, seconds=10)
    assert len(calls) == 1


def test_pauses_grow_to_five_seconds():
    assert 0.025 <= pause_before(0) <= 0.05
    assert 2.5 <= pause_before(10_000) <= 5


async def test_what_is_logged_of_an_error_has_no_values_of_the_call(connection):
    error = await raised_by(connection, "select $1::text::json", "my secret")

    assert "my secret" not in describe(error)


async def test_more_callers_than_connections_wait_their_turn(database):
    connections = Connections(Connector(database), size=2)
    await connections.open()
    rows = await asyncio.gather(*[connections.fetch("select pg_backend_pid() as pid") for _ in range(30)])
    await connections.aclose()

    assert len({row[0]["pid"] for row in rows}) <= 2
