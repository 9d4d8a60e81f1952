"""Insertion: one workflow or many, in a transaction of the engine's or of the caller."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from baton.client.caller_transactions import Asyncpg, joined
from baton.client.engine import Engine
from baton.client.engine_in_use import default_engine, engine_in_use
from baton.client.run import Run
from baton.core.job import Job
from baton.core.limits import Limits
from baton.core.program_import import stop_if_imported
from baton.core.spec import WorkflowSpec
from baton.core.workflow import Baton
from baton.database.connections import replayed
from baton.database.messages import Inserted
from baton.database.store import STEPS_PER_CALL, Store
from baton.errors import InvalidWorkflow, WorkflowExists

if TYPE_CHECKING:
    from baton.client.caller_transactions import CallerConnection

REPLAY_SECONDS = 30.0
"""For how long an insert is sent again after transient failures."""


async def insert_many(workflows: Iterable[Baton | Job], using: Engine | CallerConnection | None = None) -> list[Run]:
    """Insert many workflows, or single jobs, in one transaction or none of them; return their runs in the same order.

    For many small ones: few calls and one commit for all of them. `using` is as in `Baton.insert`. They go in by their
    ids, jobs last; and while some are written the next ones are made, which does not hold up the event loop for long.

    Raises `InvalidWorkflow` for one that has faults, and `WorkflowExists` if an id belongs to another graph.
    """
    given = list(workflows)
    # In one order, whatever the order they are given in: who inserts the same ones elsewhere waits, with no deadlock.
    order = sorted(range(len(given)), key=lambda place: _known_id(given[place]))
    runs = await insert_workflows([given[place].spec for place in order], using)
    placed = dict(zip(order, runs, strict=True))
    return [placed[place] for place in range(len(given))]


def _known_id(workflow: Baton | Job) -> tuple[bool, str]:
    # A job's id is drawn when its turn comes, and nobody else has it.
    return (False, workflow.id) if isinstance(workflow, Baton) else (True, "")


async def insert_workflow(spec: WorkflowSpec, using: Engine | CallerConnection | None) -> Run:
    """Insert a checked workflow in one transaction, or nothing of it.

    Raises:
        InvalidWorkflow: it is larger than the engine's limits.
        WorkflowExists: the id belongs to a workflow with another graph.
        TypeError, NoTransaction: see `joined`.
    """
    stop_if_imported()
    match using:
        case None | Engine():
            engine = using or default_engine()
            _require_within(engine.limits, spec)
            inserted = await replayed(lambda: _insert_alone(spec, engine), REPLAY_SECONDS)
            run = Run(spec.id, engine)
        case _:
            caller = await joined(using)
            entered = engine_in_use()
            _require_within(limits_in_effect(), spec)
            inserted = await caller.insert(spec, entered.schema if entered else "baton")
            run = Run(spec.id, entered)
            run._caller = caller
    if not inserted.is_new and inserted.fingerprint != spec.fingerprint:
        raise WorkflowExists(spec.id)
    run._steps = spec.steps
    return run


async def insert_workflows(
    makes: Sequence[Callable[[], WorkflowSpec]], using: Engine | CallerConnection | None
) -> list[Run]:
    """Insert workflows in one transaction, or none of them; an id that comes twice, with one graph, once.

    Each is made when its turn comes, while those before it are being written.

    Raises: as `insert_workflow`, and what making one raises.
    """
    stop_if_imported()
    engine = (using or default_engine()) if isinstance(using, Engine | None) else None
    caller = await joined(using) if engine is None else None
    entered = engine or engine_in_use()
    making = _Making(makes, entered.limits if entered else Limits())
    if engine is not None:
        await replayed(lambda: _insert_many_alone(making, engine), REPLAY_SECONDS)
    elif caller is not None:
        await caller.insert_many(making, entered.schema if entered else "baton")
    runs = [Run(spec.id, entered) for spec in making.made]
    for run, spec in zip(runs, making.made, strict=True):
        run._steps = spec.steps
        run._caller = caller
    return runs


class _Making:
    """The distinct workflows among those to be made, each made once, however often they are gone through."""

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
    """Return the limits of the engine entered last, or the usual ones if none is."""
    entered = engine_in_use()
    return entered.limits if entered else Limits()


def _require_within(limits: Limits, spec: WorkflowSpec) -> None:
    if faults := limits.faults(spec):
        raise InvalidWorkflow(faults)


async def _insert_many_alone(specs: Iterable[WorkflowSpec], engine: Engine) -> None:
    async with engine.connections.acquire() as connection:
        await Asyncpg(connection).insert_many(specs, engine.schema)


async def _insert_alone(spec: WorkflowSpec, engine: Engine) -> Inserted:
    if len(spec.steps) <= STEPS_PER_CALL:
        return await Store(engine.connections, engine.schema).insert_workflow(spec)
    async with engine.connections.acquire() as connection:
        return await Asyncpg(connection).insert(spec, engine.schema)
