"""Insertion: one workflow or many, in a transaction of the engine's or of the caller."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from baton.client.caller_transactions import AsyncpgTransaction, CallerTransaction, caller_transaction
from baton.client.concurrent_inserts import REPLAY_SECONDS
from baton.client.engine import Engine
from baton.client.engine_in_use import default_engine, engine_in_use, schema_of
from baton.client.run import Run
from baton.core.functions import hint_at_job
from baton.core.job import Job
from baton.core.limits import Limits
from baton.core.program_import import stop_if_imported
from baton.core.spec import WorkflowSpec
from baton.core.worker import Worker
from baton.core.workflow import Baton
from baton.database.connections import with_retries
from baton.database.messages import Inserted
from baton.database.store import STEPS_PER_CALL
from baton.errors import InvalidWorkflow, WorkflowExists

if TYPE_CHECKING:
    from baton.client.caller_transactions import CallerConnection


async def insert_many(workflows: Iterable[Baton | Job], using: Engine | CallerConnection | None = None) -> list[Run]:
    """Insert many workflows, or single jobs, in one transaction or none of them; return their runs in the same order.

    For many small ones: few calls and one commit for all of them. `using` is as in `Baton.insert`. They are inserted in
    the order of their ids, jobs last. While some are written the next ones are made, which does not hold up the event
    loop for long.

    Raises `InvalidWorkflow` for one that has faults, and `WorkflowExists` if an id belongs to another graph.
    """
    given = _checked(workflows)
    # In one order, whatever order they are given in: calls that insert the same ids at once wait,
    # and do not deadlock.
    order = sorted(range(len(given)), key=lambda place: _known_id(given[place]))
    runs = await insert_workflows([given[place].spec for place in order], using)
    placed = dict(zip(order, runs, strict=True))
    return [placed[place] for place in range(len(given))]


def _checked(workflows: Iterable[Baton | Job]) -> list[Baton | Job]:
    if not isinstance(workflows, Iterable):
        raise TypeError("insert_many takes a list; insert one workflow or job with its own insert()")
    given = list(workflows)
    for one in given:
        if not isinstance(one, Baton | Job):
            raise TypeError(f"insert_many takes jobs and workflows, not {type(one).__name__}{_hint(one)}")
    return given


def _hint(given: object) -> str:
    return f"; did you mean {given.name}.new(...)?" if isinstance(given, Worker) else hint_at_job(given)


def _known_id(workflow: Baton | Job) -> tuple[bool, str]:
    # A job's id is drawn when it is made, and nobody else has it.
    return (False, workflow.id) if isinstance(workflow, Baton) else (True, "")


async def insert_workflow(spec: WorkflowSpec, using: Engine | CallerConnection | None) -> Run:
    """Insert a checked workflow in one transaction, or nothing of it.

    Raises:
        InvalidWorkflow: it is larger than the engine's limits.
        WorkflowExists: the id belongs to a workflow with another graph.
        TypeError, NoTransaction: see `caller_transaction`.
    """
    stop_if_imported()
    caller: CallerTransaction | None = None
    if isinstance(using, Engine | None):
        entered: Engine | None = using or default_engine()
        assert entered is not None
        engine = entered
        _require_within(engine.size_limits, spec)
        inserted = await _insert(spec, engine)
    else:
        caller, entered = await caller_transaction(using), engine_in_use()
        _require_within(limits_in_effect(), spec)
        inserted = await caller.insert(spec, schema_of(entered))
    if not inserted.is_new and inserted.fingerprint != spec.fingerprint:
        raise WorkflowExists(spec.id)
    return Run.of_insert(spec, entered, caller, is_new=inserted.is_new)


async def insert_workflows(
    makes: Sequence[Callable[[], WorkflowSpec]], using: Engine | CallerConnection | None
) -> list[Run]:
    """Insert workflows in one transaction, or none of them; an id that comes twice, with one graph, once.

    Each is made when its turn comes, while those before it are being written.

    Raises: as `insert_workflow`, and what making one raises.
    """
    stop_if_imported()
    caller: CallerTransaction | None = None
    if isinstance(using, Engine | None):
        entered: Engine | None = using or default_engine()
        assert entered is not None
        engine, making = entered, _Making(makes, entered.size_limits)
        existing = await with_retries(lambda: _insert_many_alone(making, engine), REPLAY_SECONDS)
    else:
        caller, entered = await caller_transaction(using), engine_in_use()
        making = _Making(makes, limits_in_effect())
        existing = await caller.insert_many(making, schema_of(entered))
    runs = []
    known = set(existing)
    for spec in making.made:
        runs.append(Run.of_insert(spec, entered, caller, is_new=spec.id not in known))
        known.add(spec.id)
    return runs


class _Making:
    """The distinct workflows among those to be made. Each is made once, even if they are gone through again."""

    def __init__(self, makes: Sequence[Callable[[], WorkflowSpec]], limits: Limits) -> None:
        self.made: list[WorkflowSpec] = []
        self._makes = makes
        self._limits = limits
        self._distinct: dict[str, WorkflowSpec] = {}

    def __iter__(self) -> Iterator[WorkflowSpec]:
        yield from tuple(self._distinct.values())
        while len(self.made) < len(self._makes):
            spec = self._makes[len(self.made)]()
            _require_within(self._limits, spec)
            self.made.append(spec)
            first = self._distinct.setdefault(spec.id, spec)
            if first is spec:
                yield spec
            elif first.fingerprint != spec.fingerprint:
                raise WorkflowExists(spec.id)


def limits_in_effect() -> Limits:
    """Return the limits of the engine in use, or the usual ones if no engine is entered."""
    entered = engine_in_use()
    return entered.size_limits if entered else Limits()


def _require_within(limits: Limits, spec: WorkflowSpec) -> None:
    if faults := limits.faults(spec):
        raise InvalidWorkflow(faults)


async def _insert_many_alone(specs: Iterable[WorkflowSpec], engine: Engine) -> frozenset[str]:
    async with engine.connections.acquire() as connection:
        return await AsyncpgTransaction(connection, engine.checks_inserts).insert_many(specs, engine.schema)


async def _insert(spec: WorkflowSpec, engine: Engine) -> Inserted:
    if len(spec.steps) <= STEPS_PER_CALL:
        return await engine.inserts.insert(spec)
    return await with_retries(lambda: _insert_in_parts(spec, engine), REPLAY_SECONDS)


async def _insert_in_parts(spec: WorkflowSpec, engine: Engine) -> Inserted:
    async with engine.connections.acquire() as connection:
        return await AsyncpgTransaction(connection, engine.checks_inserts).insert(spec, engine.schema)
