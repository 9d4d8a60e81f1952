"""`Engine`: an application's connection to the workflows in its database."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from baton.client.concurrent_inserts import ConcurrentInserts
from baton.client.engine_in_use import add_entered, remove_entered
from baton.client.many_runs import ManyRuns
from baton.client.queue_control import QueueControl
from baton.client.scheduling import Scheduling
from baton.core.keywords import suggests_keywords
from baton.core.limits import Limits
from baton.core.options import at_least_one
from baton.core.program_import import stop_if_imported
from baton.database import migrate as migrating
from baton.database.address import Address, asyncpg_dsn, resolve_address
from baton.database.connections import Connections, Connector, Password, RetryingCalls, with_retries
from baton.database.explanations import Explanations
from baton.database.grants import may_insert_unchecked
from baton.database.interventions import Intervention, InterventionStore
from baton.database.listener import Listener
from baton.database.model_calls import EngineUsage, UsageBy, read_engine_usage
from baton.database.queries import Queries
from baton.database.record_store import RecordStore
from baton.database.store import Store
from baton.errors import BatonError, EngineClosed, InvalidOption, SchemaMissing, SchemaOutdated, WrongEventLoop
from baton.tasks import Tasks, in_thread

if TYPE_CHECKING:
    from baton.client.schedules import Schedule
    from baton.database.connections import Connection
    from baton.database.model_calls import EngineUsage, UsageBy

T = TypeVar("T")

CONNECTIONS = 4
SECONDS_BETWEEN_READS_WHILE_LISTENING = 60.0
SECONDS_BETWEEN_READS_WITHOUT_LISTEN = 1.0


class Engine(QueueControl, ManyRuns, Scheduling):
    """Where workflows are inserted, watched and run: one schema of one PostgreSQL database.

    Used with `async with`. Where `using=` is left out, an attempt uses the engine of its worker pool.
    Other code uses the engine entered last in its event loop, or, if there is none, the one entered
    last in the process. An engine belongs to the event loop it is entered in, and may be entered
    again after it was left.

    Args:
        address: `postgresql://…`. Left out: BATON_DATABASE_URL, DATABASE_URL, or the embedded server if that extra is
            installed. Which one was taken is logged.
        schema: the schema that holds the engine's tables; any name.
        create: create the schema on entry if it is not there, instead of raising.
        migrate: bring an older schema up to date on entry, instead of raising.
        connections: how many connections inserts and reads may use at once. Worker pools have their own.
        transaction_pooler: the address leads to PgBouncer in transaction mode, or a similar pooler. Nothing is prepared
            or set per session. Notifications arrive through `listener_address`; without it the library polls.
        listener_address: another address of the same database, for the connection that listens.
        password: goes before one in the address. A function, plain or async, is called whenever a
            connection is opened, for passwords that expire; worker pools also call it in a thread
            with an event loop of its own.
        limits: how large a workflow, arguments and results may be.
        schedules: are made or changed on entry, all in one transaction. Others that exist stay, and are logged.

    Raises on entry:
        NoAddress, InvalidAddress: see `address`.
        SchemaMissing: it is not there, and `create` is false.
        SchemaOutdated: it is older than the library; `baton migrate` brings it up to date.
        BatonError: behind a transaction pooler, transactions are by default read-only or not READ COMMITTED.
        SchemaTooNew: it has a change this library cannot work with.
        OSError, asyncpg.PostgresError: the server cannot be reached, or refuses.
    """

    @suggests_keywords
    def __init__(
        self,
        address: str | None = None,
        *,
        schema: str = "baton",
        create: bool = True,
        migrate: bool = False,
        connections: int = CONNECTIONS,
        transaction_pooler: bool = False,
        listener_address: str | None = None,
        password: Password | None = None,
        limits: Limits | None = None,
        schedules: Sequence[Schedule] = (),
    ) -> None:
        _require_text("address", address)
        _require_text("schema", schema)
        _require_text("listener_address", listener_address)
        _require_limits(limits)
        migrating.quoted(schema)
        self.schema = schema
        self.size_limits = limits or Limits()
        self._argument = address
        self._create = create
        self._migrate = migrate
        self._size = at_least_one("connections", connections) or CONNECTIONS
        self._is_pooled = transaction_pooler
        self._listener_address = listener_address
        self._password = password
        self._declared = tuple(schedules)
        self._open: _Open | None = None

    async def __aenter__(self) -> Self:
        stop_if_imported()
        if self._open is not None:
            raise BatonError("the engine is entered already; use it as it is, or make another one")
        address = await in_thread(resolve_address, self._argument)
        opened = _Open(self, address)
        try:
            await opened.connections.open()
            opened.accept_inserts(checked=await self._prepare_schema(opened.connections))
        except BaseException:
            await opened.aclose()
            raise
        self._open = opened
        add_entered(self)
        if self._declared:
            try:
                await self._schedules().apply(self._declared)
            except BaseException:
                await self.close()
                raise
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        remove_entered(self)
        opened, self._open = self._open, None
        if opened is not None:
            await opened.aclose()

    async def open(self) -> Self:
        """Do what `async with` does on entry, for notebooks and the like; `close` ends it. Returns the engine.

        Raises: as listed above.
        """
        return await self.__aenter__()

    async def close(self) -> None:
        """Close an engine that was opened with `open`. Does nothing if it is not open."""
        if self._open is not None:
            await self.__aexit__(None, None, None)

    async def interventions(self, *, limit: int = 100) -> Sequence[Intervention]:
        """Return what people and programs changed by decision last, the newest first: in runs, queues and schedules.

        See `Run.interventions`. Those of queues and schedules are pruned after the time for which finished workflows
        are kept.

        Raises: InvalidOption.
        """
        most = at_least_one("limit", limit) or 1
        return await InterventionStore(self.store.calls, self.schema).latest(most)

    async def usage(self, *, since: datetime | timedelta | None = None, by: UsageBy = "model") -> EngineUsage:
        """Return what calls of language models used and cost, all runs together and by one thing.

        Args:
            since: only calls from this time on; a `timedelta` counts back from now.
            by: what the sums in `by` are of: "model", "provider", "workflow" (its name), "run", "step", "worker", or
                "day" (in UTC).

        Raises: InvalidOption.
        """

        return await read_engine_usage(self.connections, self.schema, since, by)

    @property
    def address(self) -> str:
        """The address of its database, for connections of your own; also that of the embedded server.

        asyncpg, psycopg and psql take it. It has the password, if the address that the engine was given has one.

        Raises: EngineClosed if it is not entered.
        """
        return self._opened().address.dsn

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop it was entered in; None while it is not open."""
        return None if self._open is None else self._open.loop

    @property
    def store(self) -> Store:
        """The engine's functions; each call is made again after transient failures."""
        return self._opened().store

    @property
    def records(self) -> RecordStore:
        """What attempts leave besides their outcomes; each call is made again after transient failures."""
        return RecordStore(self._opened().store.calls, self.schema)

    @property
    def reads(self) -> Queries:
        return self._opened().reads

    @property
    def explanations(self) -> Explanations:
        """Why workflows and steps are not final."""
        return self._opened().explanations

    @property
    def connections(self) -> Connections:
        return self._opened().connections

    @property
    def background(self) -> Tasks:
        """What runs as long as it is entered, at the most."""
        return self._opened().tasks

    @property
    def inserts(self) -> ConcurrentInserts:
        return self._opened().inserts

    @property
    def checks_inserts(self) -> bool:
        """Whether its role may insert only what the database checks; the owner of the schema may insert anything."""
        return self._opened().checks_inserts

    @property
    def connector(self) -> Connector:
        """How to open another connection to the same database."""
        return self._opened().connector

    @property
    def listener(self) -> Listener | None:
        """None behind a transaction pooler without a listener address, where no notification arrives."""
        return self._opened().listener

    @property
    def seconds_between_reads(self) -> float:
        """How often a waiter reads the state although no notification came."""
        listens = self.listener is not None
        return SECONDS_BETWEEN_READS_WHILE_LISTENING if listens else SECONDS_BETWEEN_READS_WITHOUT_LISTEN

    def _opened(self) -> _Open:
        if self._open is None:
            raise EngineClosed
        if self._open.loop is not asyncio.get_running_loop():
            raise WrongEventLoop
        return self._open

    async def _prepare_schema(self, connections: Connections) -> bool:
        """Create or migrate the schema as far as that is wanted; return whether the database checks inserts."""

        async def prepare() -> bool:
            async with connections.acquire() as connection:
                if self._is_pooled:
                    await _require_usable_defaults(connection)
                try:
                    await migrating.require_current_schema(connection, self.schema)
                except SchemaMissing:
                    if not self._create:
                        raise
                    await migrating.migrate(connection, self.schema)
                except SchemaOutdated:
                    if not self._migrate:
                        raise
                    await migrating.migrate(connection, self.schema)
                return not await may_insert_unchecked(connection, self.schema)

        return await with_retries(prepare, seconds=0)


def _require_text(option: str, value: object) -> None:
    if not isinstance(value, str | None):
        # Its type alone, as an address may hold a password.
        raise InvalidOption(option, type(value), "it must be a string")


def _require_limits(value: object) -> None:
    if not isinstance(value, Limits | None):
        raise InvalidOption("limits", value, "it must be Limits(...)")


async def _require_usable_defaults(connection: Connection) -> None:
    """Refuse defaults that cannot be overridden: behind a transaction pooler the session's settings are not ours."""
    for setting, wanted in (
        ("default_transaction_isolation", "read committed"),
        ("default_transaction_read_only", "off"),
    ):
        if (found := await connection.fetchval(f"show {setting}")) != wanted:
            raise BatonError(
                f"{setting} is {found!r} here, and the engine needs {wanted!r}, for which it cannot ask behind a "
                f"transaction pooler: change the default of the role, as in alter role app set {setting} = '{wanted}'"
            )


class _Open:
    """What an entered engine holds."""

    def __init__(self, engine: Engine, address: Address) -> None:
        is_pooled = engine._is_pooled
        self.loop = asyncio.get_running_loop()
        self.address = address
        self.connector = Connector(address.dsn, is_pooled, engine._password)
        self.connections = Connections(self.connector, engine._size)
        self._size = engine._size
        self.store = Store(RetryingCalls(self.connections), engine.schema)
        self.reads = Queries(RetryingCalls(self.connections), engine.schema)
        self.accept_inserts(checked=True)
        self.explanations = Explanations(self.connections, engine.schema)
        self.tasks = Tasks()
        listening = self.connector
        if engine._listener_address:
            listening = Connector(asyncpg_dsn(engine._listener_address), password=engine._password)
        self.listener = None if listening.is_pooled else Listener(listening, engine.schema, self.tasks)

    def accept_inserts(self, *, checked: bool) -> None:
        self.checks_inserts = checked
        self.inserts = ConcurrentInserts(self.connections, self.store.schema, self._size, checks_inserts=checked)

    async def aclose(self) -> None:
        await self.inserts.aclose()
        await self.tasks.aclose()
        await self.connections.aclose()
        await in_thread(self.address.release)
