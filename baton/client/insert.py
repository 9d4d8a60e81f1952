"""Insertion: one workflow or many, in a transaction of the engine's or of the caller."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import asyncpg

from baton.client.caller_transactions import (
    AsyncpgTransaction,
    CallerTransaction,
    caller_transaction,
    require_may_stay,
)
from baton.client.concurrent_inserts import REPLAY_SECONDS
from baton.client.engine import Engine
from baton.client.engine_in_use import default_engine, engine_in_use, schema_of
from baton.client.reusing import require_reusable
from baton.client.run import Run
from baton.core.functions import hint_at_job
from baton.core.job import Job
from baton.core.keys import IfRunning, key_of, require_policy, with_policy
from baton.core.limits import Limits
from baton.core.program_import import stop_if_imported
from baton.core.spec import WorkflowSpec
from baton.core.worker import Worker
from baton.core.workflow import Baton
from baton.database.connections import with_retries
from baton.database.messages import Inserted, NotInserted
from baton.database.store import STEPS_PER_CALL
from baton.errors import InvalidOption, InvalidWorkflow, WorkflowExists

if TYPE_CHECKING:
    from baton.client.caller_transactions import CallerConnection


async def insert_many(
    workflows: Iterable[Baton | Job],
    using: Engine | CallerConnection | None = None,
    *,
    if_running: IfRunning | None = None,
) -> list[Run]:
    """Insert many workflows, or single jobs, in one transaction or none of them; return their runs in the same order.

    For many small ones: few calls and one commit for all of them. `using` is as in `Baton.insert`. They are inserted in
    the order of their ids, jobs last. While some are written the next ones are made, which does not hold up the event
    loop for long.

    `if_running` is as in `Baton.insert`, for those that have a key; of several with one key the later ones find the
    earlier ones.

    Raises `InvalidWorkflow` for one that has faults, `WorkflowExists` if an id belongs to another graph, and `KeyTaken`
    and `InvalidOption` as `Baton.insert`.
    """
    given = _checked(workflows)
    if if_running is not None:
        require_policy(if_running)
    # In one order, whatever order they are given in: calls that insert the same ids at once wait,
    # and do not deadlock.
    turns = _turns(given)
    order = sorted(range(len(given)), key=turns.__getitem__)
    runs = await insert_workflows([partial(_made, given[place], if_running) for place in order], using)
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


def _turns(given: Sequence[Baton | Job]) -> list[tuple[int, int, str]]:
    """Return what to sort by: keys first, all that are distinct in one call, then ids, then jobs."""
    met: Counter[str] = Counter()
    turns = []
    for workflow in given:
        key = workflow.key if isinstance(workflow, Baton) else None
        if key is not None:
            met[key] += 1
            turns.append((0, met[key], key))
        elif isinstance(workflow, Baton):
            turns.append((1, 0, workflow.id))
        else:
            # A job's id is drawn when it is made, and nobody else has it.
            turns.append((2, 0, ""))
    return turns


def _made(workflow: Baton | Job, if_running: IfRunning | None) -> WorkflowSpec:
    spec = workflow.spec()
    return spec if key_of(spec) is None else with_policy(spec, if_running)


async def insert_workflow(spec: WorkflowSpec, using: Engine | CallerConnection | None) -> Run:
    """Insert a checked workflow in one transaction, or nothing of it.

    Raises:
        InvalidWorkflow: it is larger than the engine's limits.
        WorkflowExists: the id belongs to a workflow with another graph.
        InvalidOption: a step has more units than may start at once in its queue.
        KeyTaken: another run holds the key, which was to be an error.
        WorkflowNotFound: it takes the results of a run that does not exist.
        TypeError, NoTransaction: see `caller_transaction`.
    """
    stop_if_imported()
    caller: CallerTransaction | None = None
    if isinstance(using, Engine | None):
        entered: Engine | None = using or default_engine()
        assert entered is not None
        engine = entered
        _require_within(engine.size_limits, spec)
        await require_reusable(spec, engine.store.calls, engine.schema)
        with units_checked():
            inserted = await _insert(spec, engine)
    else:
        caller, entered = await caller_transaction(using), engine_in_use()
        _require_within(limits_in_effect(), spec)
        await require_reusable(spec, caller.calls(), schema_of(entered))
        with units_checked():
            inserted = await caller.insert(spec, schema_of(entered))
    if inserted.holder is not None:
        require_may_stay(spec, inserted.holder)
    elif not inserted.is_new and inserted.fingerprint != spec.fingerprint:
        raise WorkflowExists(spec.id)
    return Run.of_insert(spec, entered, caller, is_new=inserted.is_new, holder=inserted.holder)


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
        with units_checked():
            missing = await with_retries(lambda: _insert_many_alone(making, engine), REPLAY_SECONDS)
    else:
        caller, entered = await caller_transaction(using), engine_in_use()
        making = _Making(makes, limits_in_effect())
        with units_checked():
            missing = await caller.insert_many(making, schema_of(entered))
    runs = []
    known = {*missing.existing, *missing.held}
    for spec in making.made:
        is_new, holder = spec.id not in known, missing.held.get(spec.id)
        runs.append(Run.of_insert(spec, entered, caller, is_new=is_new, holder=holder))
        known.add(spec.id)
    return runs


@contextmanager
def units_checked() -> Iterator[None]:
    """Raise `InvalidOption` where the database refuses the units of a step, which may never start at once."""
    try:
        yield
    except asyncpg.InvalidParameterValueError as error:
        if error.constraint_name != "queue_burst":
            raise
        raise InvalidOption("units", int(error.detail or 0), f"{error.args[0]}; {error.hint}") from None


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


async def _insert_many_alone(specs: Iterable[WorkflowSpec], engine: Engine) -> NotInserted:
    async with engine.connections.acquire() as connection:
        return await AsyncpgTransaction(connection, engine.checks_inserts).insert_many(specs, engine.schema)


async def _insert(spec: WorkflowSpec, engine: Engine) -> Inserted:
    if len(spec.steps) <= STEPS_PER_CALL:
        return await engine.inserts.insert(spec)
    return await with_retries(lambda: _insert_in_parts(spec, engine), REPLAY_SECONDS)


async def _insert_in_parts(spec: WorkflowSpec, engine: Engine) -> Inserted:
    async with engine.connections.acquire() as connection:
        return await AsyncpgTransaction(connection, engine.checks_inserts).insert(spec, engine.schema)
