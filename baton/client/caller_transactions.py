"""Other people's transactions: what `insert(using=...)` takes besides an engine, and how a workflow gets into it.

Neither SQLAlchemy nor psycopg is imported here. Whoever passes one of their objects has imported them.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from baton.core.json_format import to_json
from baton.core.limits import Limits
from baton.core.spec import WorkflowSpec
from baton.database import store
from baton.database.columns import workflow_columns
from baton.database.messages import Inserted
from baton.database.migrate import quoted
from baton.errors import NoTransaction, WorkflowExists
from baton.tasks import in_turn

if TYPE_CHECKING:
    from psycopg import AsyncConnection as PsycopgConnection
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_scoped_session

    from baton.database.connections import Connection

    Session: TypeAlias = AsyncSession | AsyncConnection | async_scoped_session[Any]
    CallerConnection: TypeAlias = Connection | PsycopgConnection[Any] | Session


STEPS_PER_PART = 1_000
"""Of many workflows: while so many steps are written, the next ones are made."""
MADE_AT_A_STRETCH = 100
"""So many workflows, before anything else in this process has its turn."""


class CallerTransaction(Protocol):
    """A connection of the caller's, in a transaction or not."""

    async def insert(self, spec: WorkflowSpec, schema: str) -> Inserted:
        """Insert a workflow in the caller's transaction, or where there is none in one of its own."""

    async def insert_many(self, specs: Iterable[WorkflowSpec], schema: str) -> None:
        """Insert workflows with distinct ids, all or none. What raises while they are made rolls back as well.

        Raises: WorkflowExists for an id that belongs to another graph.
        """

    def is_open(self) -> bool:
        """Tell whether the connection is in a transaction."""


async def joined(using: object) -> CallerTransaction:
    """Return how a workflow is inserted with a connection or session of the caller's.

    Raises:
        TypeError: it is none that this can be done with.
        NoTransaction: it is a session of SQLAlchemy's in AUTOCOMMIT.
    """
    if isinstance(using, asyncpg.Connection | PoolConnectionProxy):
        return Asyncpg(using)
    if isinstance(using, asyncpg.Pool):
        raise TypeError(
            "using= takes a connection, and this is a pool: write async with pool.acquire() as connection, begin the "
            "transaction there, and pass the connection"
        )
    if _is_of("psycopg", ("AsyncConnection",), using):
        return Psycopg(using)
    if _is_of("sqlalchemy.ext.asyncio", ("AsyncConnection", "AsyncSession", "async_scoped_session"), using):
        return await _beneath(using)
    raise TypeError(
        f"using= takes an Engine, an asynchronous connection of asyncpg or psycopg, or an AsyncSession or "
        f"AsyncConnection of SQLAlchemy, not {type(using).__name__}; with any other connection execute "
        f"select * from baton.insert_workflow_json(...) on what to_json() returns"
    )


@dataclass(frozen=True, slots=True)
class Asyncpg:
    """A connection of asyncpg's."""

    connection: Connection

    async def insert(self, spec: WorkflowSpec, schema: str) -> Inserted:
        engine = store.Store(self.connection, schema)
        if self.connection.is_in_transaction() or len(spec.steps) <= store.STEPS_PER_CALL:
            return await engine.insert_workflow(spec)
        async with self.connection.transaction():
            return await engine.insert_workflow(spec)

    async def insert_many(self, specs: Iterable[WorkflowSpec], schema: str) -> None:
        # Within the caller's transaction a savepoint: what was inserted before the one that cannot be goes again.
        async with self.connection.transaction():
            await in_turn(_inserts(store.Store(self.connection, schema), specs))

    def is_open(self) -> bool:
        try:
            return self.connection.is_in_transaction()
        except asyncpg.InterfaceError:  # given back to its pool
            return False


@dataclass(frozen=True, slots=True)
class Psycopg:
    """An asynchronous connection of psycopg's. The workflow travels as JSON: one call, whatever its size."""

    connection: Any

    async def insert(self, spec: WorkflowSpec, schema: str) -> Inserted:
        from psycopg.rows import tuple_row

        async with self.connection.cursor(row_factory=tuple_row) as cursor:
            # Told and not raised that the id is taken: an error would leave the caller a transaction that is of no use.
            query = f"select key, is_new, is_same from {quoted(schema)}.insert_workflow_json(%s, false)"
            await cursor.execute(query.encode(), [to_json(spec, _NO_LIMITS)])
            key, is_new, is_same = await cursor.fetchone()
        return Inserted(key, is_new, spec.fingerprint if is_same else "another")

    async def insert_many(self, specs: Iterable[WorkflowSpec], schema: str) -> None:
        async with self.connection.transaction():
            for spec in specs:
                inserted = await self.insert(spec, schema)
                _require_same([spec], {} if inserted.is_new else {spec.id: inserted.fingerprint})

    def is_open(self) -> bool:
        from psycopg.pq import TransactionStatus

        return self.connection.info.transaction_status not in (TransactionStatus.IDLE, TransactionStatus.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Sqlalchemy:
    """A connection of SQLAlchemy's, and the driver's beneath it."""

    connection: AsyncConnection
    driver: CallerTransaction

    async def insert(self, spec: WorkflowSpec, schema: str) -> Inserted:
        return await self.driver.insert(spec, schema)

    async def insert_many(self, specs: Iterable[WorkflowSpec], schema: str) -> None:
        await self.driver.insert_many(specs, schema)

    def is_open(self) -> bool:
        # Not the driver's answer: after the session's end its connection is in somebody else's transaction.
        return not self.connection.closed and self.connection.in_transaction()


async def _inserts(
    engine: store.Store, specs: Iterable[WorkflowSpec]
) -> AsyncIterator[Callable[[], Coroutine[Any, Any, None]]]:
    """Yield the calls that insert these workflows, so many steps in each, but at least one workflow."""
    part: list[WorkflowSpec] = []
    room = STEPS_PER_PART
    for number, spec in enumerate(specs, 1):
        if part and len(spec.steps) > room:
            yield _insertion(engine, part)
            part, room = [], STEPS_PER_PART
        part.append(spec)
        room -= len(spec.steps)
        if number % MADE_AT_A_STRETCH == 0:
            # Lets the call before go out, and the application live.
            await asyncio.sleep(0)
    if part:
        yield _insertion(engine, part)


def _insertion(engine: store.Store, part: Sequence[WorkflowSpec]) -> Callable[[], Coroutine[Any, Any, None]]:
    if len(part[0].steps) > store.STEPS_PER_CALL:
        return partial(_insert_large, engine, part[0])
    # The columns are made now, while the part before is being written.
    return partial(_insert_small, engine, part, workflow_columns(part))


async def _insert_large(engine: store.Store, spec: WorkflowSpec) -> None:
    inserted = await engine.insert_workflow(spec)
    _require_same([spec], {} if inserted.is_new else {spec.id: inserted.fingerprint})


async def _insert_small(engine: store.Store, part: Sequence[WorkflowSpec], columns: tuple[Any, ...]) -> None:
    _require_same(part, await engine.insert_workflows(columns))


def _require_same(specs: Sequence[WorkflowSpec], taken: Mapping[str, str]) -> None:
    if not taken:
        return
    for spec in specs:
        if taken.get(spec.id, spec.fingerprint) != spec.fingerprint:
            raise WorkflowExists(spec.id)


# They were looked at before, with those of the engine.
_NO_LIMITS = Limits(steps=sys.maxsize, argument_bytes=sys.maxsize)


async def _beneath(session: Any) -> CallerTransaction:
    connection: AsyncConnection = session if hasattr(session, "get_raw_connection") else await session.connection()
    if connection.dialect.driver not in _DRIVERS:
        raise TypeError(
            f"using= takes sessions of SQLAlchemy's dialects postgresql+asyncpg and postgresql+psycopg, not of "
            f"{connection.dialect.name}+{connection.dialect.driver}"
        )
    # BEGIN is sent with the first statement, and what the driver is asked behind SQLAlchemy's back is none: without
    # this one the workflow would stay when the session is rolled back.
    await connection.exec_driver_sql("select 1")
    raw = await connection.get_raw_connection()
    driver = _DRIVERS[connection.dialect.driver](raw.driver_connection)
    if not driver.is_open():
        raise NoTransaction
    return Sqlalchemy(connection, driver)


_DRIVERS: dict[str, Callable[[Any], CallerTransaction]] = {"asyncpg": Asyncpg, "psycopg": Psycopg}


def _is_of(module: str, names: tuple[str, ...], value: object) -> bool:
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(value, tuple(getattr(loaded, name) for name in names))
