"""Applications' connections and sessions of each kind that an insert can use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import psycopg
import psycopg.rows
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from baton import Baton, Run


@dataclass(frozen=True)
class Caller:
    """An application's connection, in a transaction or about to begin one."""

    using: Any
    execute: Callable[[str], Awaitable[Any]]
    commit: Callable[[], Awaitable[None]]
    rollback: Callable[[], Awaitable[None]]

    async def insert(self, workflow: Baton) -> Run:
        return await workflow.insert(self.using)


class SynchronousCaller(Caller):
    async def insert(self, workflow: Baton) -> Run:
        query = "select id from baton.insert_workflow_json(%s)"
        return Run(self.using.execute(query, [workflow.to_json()]).fetchone()[0])


@asynccontextmanager
async def asyncpg_connection(database, isolation):
    connection = await asyncpg.connect(database)
    transaction = connection.transaction(isolation=isolation)
    await transaction.start()
    yield Caller(connection, connection.execute, transaction.commit, transaction.rollback)
    await connection.close()


@asynccontextmanager
async def asyncpg_pool(database, isolation):
    async with asyncpg.create_pool(database, min_size=1, max_size=1) as pool, pool.acquire() as connection:
        transaction = connection.transaction(isolation=isolation)
        await transaction.start()
        yield Caller(connection, connection.execute, transaction.commit, transaction.rollback)


@asynccontextmanager
async def psycopg_connection(database, isolation):
    async with await psycopg.AsyncConnection.connect(database, row_factory=psycopg.rows.dict_row) as connection:
        await connection.set_isolation_level(psycopg.IsolationLevel[isolation.upper()])
        yield Caller(connection, connection.execute, connection.commit, connection.rollback)


@asynccontextmanager
async def psycopg_raw_cursors(database, isolation):
    """Connections whose own cursors take $1 and not %s."""
    connecting = psycopg.AsyncConnection.connect(database, cursor_factory=psycopg.AsyncRawCursor)
    async with await connecting as connection:
        await connection.set_isolation_level(psycopg.IsolationLevel[isolation.upper()])
        yield Caller(connection, connection.execute, connection.commit, connection.rollback)


@asynccontextmanager
async def psycopg_synchronous(database, isolation):
    with psycopg.connect(database) as connection:
        connection.isolation_level = psycopg.IsolationLevel[isolation.upper()]
        methods = [awaitable(method) for method in (connection.execute, connection.commit, connection.rollback)]
        yield SynchronousCaller(connection, *methods)


def awaitable(function):
    async def call(*arguments):
        return function(*arguments)

    return call


@asynccontextmanager
async def sqlalchemy_engine(database, driver, isolation):
    address = database.replace("postgresql://", f"postgresql+{driver}://", 1)
    engine = create_async_engine(address, isolation_level=isolation.replace("_", " ").upper())
    yield engine
    await engine.dispose()


def sqlalchemy_session(driver):
    @asynccontextmanager
    async def opened(database, isolation):
        async with sqlalchemy_engine(database, driver, isolation) as engine, AsyncSession(engine) as session:
            yield Caller(session, lambda sql: session.execute(text(sql)), session.commit, session.rollback)

    return opened


def sqlalchemy_connection(driver):
    @asynccontextmanager
    async def opened(database, isolation):
        async with sqlalchemy_engine(database, driver, isolation) as engine, engine.connect() as connection:
            yield Caller(connection, connection.exec_driver_sql, connection.commit, connection.rollback)

    return opened


CALLERS = {
    "asyncpg connection": asyncpg_connection,
    "asyncpg pool connection": asyncpg_pool,
    "psycopg": psycopg_connection,
    "psycopg with raw cursors": psycopg_raw_cursors,
    "psycopg synchronous": psycopg_synchronous,
    "session on asyncpg": sqlalchemy_session("asyncpg"),
    "session on psycopg": sqlalchemy_session("psycopg"),
    "sqlalchemy connection on asyncpg": sqlalchemy_connection("asyncpg"),
    "sqlalchemy connection on psycopg": sqlalchemy_connection("psycopg"),
}
