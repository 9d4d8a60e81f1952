"""The caller's transactions: what `insert(using=...)` takes besides an engine, and how a workflow gets into it.

Neither SQLAlchemy nor psycopg is imported here. An application that passes one of their objects has
imported them.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from baton.core.json_format import to_json
from baton.core.keys import key_of
from baton.core.limits import Limits
from baton.core.spec import WorkflowSpec
from baton.database import store
from baton.database.columns import workflow_columns
from baton.database.messages import Inserted, NotInserted
from baton.database.migrate import quoted
from baton.errors import KeyTaken, NoTransaction, WorkflowExists
from baton.tasks import in_turn

if TYPE_CHECKING:
    from psycopg import AsyncConnection as PsycopgConnection
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_scoped_session

    from baton.database.connections import Calls, Connection

    Session: TypeAlias = AsyncSession | AsyncConnection | async_scoped_session[Any]
    CallerConnection: TypeAlias = Connection | PsycopgConnection[Any] | Session


STEPS_PER_PART = 1_000
"""Many workflows are inserted in parts of this many steps: one is written while the next is made."""
WORKFLOWS_WITHOUT_PAUSE = 100
"""After this many workflows are made, the other tasks of this process have their turn."""


class CallerTransaction(Protocol):
    """A connection of the caller, in a transaction or not."""

    async def insert(self, spec: WorkflowSpec, schema: str) -> Inserted:
        """Insert a workflow in the caller's transaction, or in one of its own if there is none."""

    async def insert_many(self, specs: Iterable[WorkflowSpec], schema: str) -> NotInserted:
        """Insert workflows with distinct ids, all or none. An error while they are made rolls back as well.

        Those with keys come first, in the order of the keys. Returns which exist already or have keys that are taken.
        Raises: WorkflowExists for one that has another graph, KeyTaken.
        """

    def calls(self) -> Calls:
        """Return what runs single statements in the caller's transaction."""

    def is_open(self) -> bool:
        """Return whether the connection is in a transaction."""


async def caller_transaction(using: object) -> CallerTransaction:
    """Return how workflows are inserted with a connection or session of the caller.

    Raises:
        TypeError: it is of a kind with which this cannot be done.
        NoTransaction: it is a SQLAlchemy session in AUTOCOMMIT.
    """
    if isinstance(using, asyncpg.Connection | PoolConnectionProxy):
        return AsyncpgTransaction(using)
    if isinstance(using, asyncpg.Pool):
        raise TypeError(
            "using= takes a connection, and this is a pool: write async with pool.acquire() as connection, begin the "
            "transaction there, and pass the connection"
        )
    if _is_of("psycopg", ("AsyncConnection",), using):
        return PsycopgTransaction(using)
    if _is_of("sqlalchemy.ext.asyncio", ("AsyncConnection", "AsyncSession", "async_scoped_session"), using):
        return await _sqlalchemy_transaction(using)
    raise TypeError(
        f"using= takes an Engine, an asynchronous connection of asyncpg or psycopg, or an AsyncSession or "
        f"AsyncConnection of SQLAlchemy, not {type(using).__name__}; with any other connection execute "
        f"select * from baton.insert_workflow_json(...) on what to_json() returns"
    )


@dataclass(frozen=True, slots=True)
class AsyncpgTransaction:
    """An asyncpg connection, from a pool or not."""

    connection: Connection
    checks_inserts: bool = True
    """The role of a connection of the caller's may be any. What every client may call takes each workflow whole."""

    async def insert(self, spec: WorkflowSpec, schema: str) -> Inserted:
        engine = store.Store(self.connection, schema, checks_inserts=self.checks_inserts)
        if self.checks_inserts or self.connection.is_in_transaction() or len(spec.steps) <= store.STEPS_PER_CALL:
            return await engine.insert_workflow(spec)
        async with self.connection.transaction():
            return await engine.insert_workflow(spec)

    async def insert_many(self, specs: Iterable[WorkflowSpec], schema: str) -> NotInserted:
        missing = NotInserted({}, {})
        # Within the caller's transaction a savepoint: a workflow that is refused takes back those
        # inserted before it.
        async with self.connection.transaction():
            engine = store.Store(self.connection, schema, checks_inserts=self.checks_inserts)
            await in_turn(_calls(engine, specs, missing))
        return missing

    def calls(self) -> Calls:
        return self.connection

    def is_open(self) -> bool:
        try:
            return self.connection.is_in_transaction()
        except asyncpg.InterfaceError:  # given back to its pool
            return False


@dataclass(frozen=True, slots=True)
class PsycopgTransaction:
    """An asynchronous psycopg connection. The workflow travels as JSON: one call, whatever its size."""

    connection: Any

    async def insert(self, spec: WorkflowSpec, schema: str) -> Inserted:
        from psycopg import AsyncCursor
        from psycopg.rows import tuple_row

        # Not the connection's own kind of cursor: one that takes $1 would fail on %s, and abort the
        # transaction.
        async with AsyncCursor(self.connection, row_factory=tuple_row) as cursor:
            # An id that is taken must not be an error here: an error would abort the transaction.
            query = f"select key, id, is_new, is_same from {quoted(schema)}.insert_workflow_json(%s::text, false)"
            await cursor.execute(query.encode(), [to_json(spec, _NO_LIMITS)])
            row = await cursor.fetchone()
        assert row is not None
        key, found, is_new, is_same = row
        if found != spec.id:
            return Inserted(key, False, spec.fingerprint, holder=found)
        return Inserted(key, is_new, spec.fingerprint if is_same else "another")

    async def insert_many(self, specs: Iterable[WorkflowSpec], schema: str) -> NotInserted:
        missing = NotInserted({}, {})
        async with self.connection.transaction():
            engine = store.Store(self.calls(), schema, checks_inserts=True)
            for part in _parts(specs):
                if key_of(part[0]) is not None:
                    # Keys are taken in one call.
                    await _insert_small(engine, part, workflow_columns(part), missing)
                    continue
                for spec in part:
                    _note_one(spec, await self.insert(spec, schema), missing)
        return missing

    def calls(self) -> Calls:
        return PsycopgCalls(self.connection)

    def is_open(self) -> bool:
        from psycopg.pq import TransactionStatus

        return self.connection.info.transaction_status not in (TransactionStatus.IDLE, TransactionStatus.UNKNOWN)


@dataclass(frozen=True, slots=True)
class PsycopgCalls:
    """Runs single statements of the engine on an asynchronous psycopg connection."""

    connection: Any

    async def fetch(self, query: str, *args: Any) -> Any:
        from psycopg import AsyncCursor
        from psycopg.rows import dict_row

        async with AsyncCursor(self.connection, row_factory=dict_row) as cursor:
            await cursor.execute(re.sub(r"\$\d+", "%s", query.replace("%", "%%")).encode(), args)
            return await cursor.fetchall()


@dataclass(frozen=True, slots=True)
class SqlalchemyTransaction:
    """A SQLAlchemy connection, and the one of the driver beneath it."""

    connection: AsyncConnection
    driver: CallerTransaction

    async def insert(self, spec: WorkflowSpec, schema: str) -> Inserted:
        return await self.driver.insert(spec, schema)

    async def insert_many(self, specs: Iterable[WorkflowSpec], schema: str) -> NotInserted:
        return await self.driver.insert_many(specs, schema)

    def calls(self) -> Calls:
        return self.driver.calls()

    def is_open(self) -> bool:
        # Not the driver's answer: once the session has ended, its connection may be in another
        # transaction.
        return not self.connection.closed and self.connection.in_transaction()


async def _calls(
    engine: store.Store, specs: Iterable[WorkflowSpec], missing: NotInserted
) -> AsyncIterator[Callable[[], Coroutine[Any, Any, None]]]:
    """Yield the calls that insert these workflows. A part is made while the one before it is being written."""
    for part in _parts(_counted(specs)):
        if part:
            yield _call(engine, part, missing)
        else:
            # Lets the call before go out, and other tasks run.
            await asyncio.sleep(0)


def _counted(specs: Iterable[WorkflowSpec]) -> Iterator[WorkflowSpec | None]:
    """Yield the workflows, and None after each `WORKFLOWS_WITHOUT_PAUSE` of them."""
    for number, spec in enumerate(specs, 1):
        yield spec
        if number % WORKFLOWS_WITHOUT_PAUSE == 0:
            yield None


def _parts(specs: Iterable[WorkflowSpec | None]) -> Iterator[list[WorkflowSpec]]:
    """Yield workflows that are inserted in one call; an empty list for None.

    In each are about `STEPS_PER_PART` steps, and at least one workflow. Those with keys come first, in the order of
    these, which differ in a part. Of those that replace runs all are in one: all keys are taken before a run is locked.
    """
    part: list[WorkflowSpec] = []
    keys: set[str] = set()
    room = STEPS_PER_PART
    for spec in specs:
        if spec is None:
            yield []
            continue
        key = key_of(spec)
        is_full = len(spec.steps) > room and not (key is not None and key.if_running.startswith("replace"))
        if part and (is_full or (bool(keys) if key is None else key.key in keys)):
            yield part
            part, keys, room = [], set(), STEPS_PER_PART
        part.append(spec)
        room -= len(spec.steps)
        if key is not None:
            keys.add(key.key)
    if part:
        yield part


def _call(
    engine: store.Store, part: Sequence[WorkflowSpec], missing: NotInserted
) -> Callable[[], Coroutine[Any, Any, None]]:
    if len(part) == 1 and len(part[0].steps) > store.STEPS_PER_CALL and not engine.checks_inserts:
        return partial(_insert_large, engine, part[0], missing)
    # The columns are made now, while the part before is being written.
    return partial(_insert_small, engine, part, workflow_columns(part), missing)


async def _insert_large(engine: store.Store, spec: WorkflowSpec, missing: NotInserted) -> None:
    _note_one(spec, await engine.insert_workflow(spec), missing)


async def _insert_small(
    engine: store.Store, part: Sequence[WorkflowSpec], columns: tuple[Any, ...], missing: NotInserted
) -> None:
    _note(part, await engine.insert_workflows(columns), missing)


def _note_one(spec: WorkflowSpec, inserted: Inserted, missing: NotInserted) -> None:
    held = {} if inserted.holder is None else {spec.id: inserted.holder}
    existing = {} if inserted.is_new or held else {spec.id: inserted.fingerprint}
    _note([spec], NotInserted(existing, held), missing)


def _note(specs: Sequence[WorkflowSpec], found: NotInserted, missing: NotInserted) -> None:
    """Note which workflows were not inserted. Raises `WorkflowExists` and `KeyTaken` where that is an error."""
    for spec in specs if found.existing or found.held else ():
        if found.existing.get(spec.id, spec.fingerprint) != spec.fingerprint:
            raise WorkflowExists(spec.id)
        if spec.id in found.held:
            require_may_stay(spec, found.held[spec.id])
    missing.existing.update(found.existing)
    missing.held.update(found.held)


def require_may_stay(spec: WorkflowSpec, holder: str) -> None:
    """Raises `KeyTaken` if the insert of this workflow is refused while another run holds its key."""
    key = key_of(spec)
    assert key is not None
    if key.if_running == "refuse":
        raise KeyTaken(key.key, holder)


# The limits of the engine were checked before.
_NO_LIMITS = Limits(steps=sys.maxsize, argument_bytes=sys.maxsize)


async def _sqlalchemy_transaction(session: Any) -> CallerTransaction:
    connection: AsyncConnection = session if hasattr(session, "get_raw_connection") else await session.connection()
    if connection.dialect.driver not in _DRIVERS:
        raise TypeError(
            f"using= takes SQLAlchemy sessions of the dialects postgresql+asyncpg and postgresql+psycopg, not of "
            f"{connection.dialect.name}+{connection.dialect.driver}"
        )
    # SQLAlchemy sends BEGIN with its first statement, and does not see what the driver is asked
    # directly: without this statement the workflow would stay when the session is rolled back.
    await connection.exec_driver_sql("select 1")
    raw = await connection.get_raw_connection()
    driver = _DRIVERS[connection.dialect.driver](raw.driver_connection)
    if not driver.is_open():
        raise NoTransaction
    return SqlalchemyTransaction(connection, driver)


_DRIVERS: dict[str, Callable[[Any], CallerTransaction]] = {"asyncpg": AsyncpgTransaction, "psycopg": PsycopgTransaction}


def _is_of(module: str, names: tuple[str, ...], value: object) -> bool:
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(value, tuple(getattr(loaded, name) for name in names))
