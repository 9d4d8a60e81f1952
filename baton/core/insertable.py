"""What jobs and workflows have in common: they can be inserted and written as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from baton.core.durations import Seconds
from baton.core.json_format import to_json
from baton.core.keys import IfRunning, checked_key, checked_tags, run_scope, with_policy
from baton.core.reuse import with_reuse
from baton.core.spec import Bounds, WorkflowSpec
from baton.core.usage.model_map import ModelMap, with_models_at_insert

if TYPE_CHECKING:
    from baton.client.caller_transactions import CallerConnection
    from baton.client.engine import Engine
    from baton.client.run import Run


class Insertable:
    """A mixin of jobs and workflows: the one place where this layer reaches up to the client."""

    __slots__ = ()

    def spec(self) -> WorkflowSpec:
        """Return the workflow as it is handed to the database. Raises `InvalidWorkflow`."""
        raise NotImplementedError

    async def insert(
        self,
        using: Engine | CallerConnection | None = None,
        *,
        if_running: IfRunning | None = None,
        models: ModelMap | None = None,
        reusing: Run | str | None = None,
    ) -> Run:
        """Check the workflow, write it in one transaction or not at all, and return its run.

        `using` is an `Engine`; left out, that of the running attempt, or the one entered last; or the caller's own
        asyncpg connection, asynchronous psycopg connection, or SQLAlchemy `AsyncSession` or `AsyncConnection`: then the
        workflow commits or rolls back with the caller's transaction, and nothing is retried. An id that exists gives
        the run that exists if the graph is the same. A job is a workflow of one step, which is named as its worker.

        `if_running` says what happens if another run holds the key. "return", or left out: that run is returned, its
        `is_new` is False, and nothing is inserted. "refuse": `KeyTaken`. "replace": that run is cancelled in the same
        transaction, and this one has the key; closing steps of the other still run. "replace unless begun": likewise
        if none of its steps has begun, else it is returned. A run that has ended is not replaced while its key stays
        taken (`key_for`): it is returned. An insert waits for another one of the same key to commit or roll back.

        `models` goes before the model maps of the workflow and of the groups in it, for this run alone:
        `models={"*": "small"}` lets each step ask the small one.

        With `reusing`, a run or its id, steps that completed there and are the same here do not run again: they are
        inserted as completed, with the results that they have there. The same are name, worker, arguments and
        dependencies, all of which are reused too; a sub-workflow is reused as a whole or not at all. See
        docs/repair.md.

        Raises `InvalidWorkflow`; `WorkflowExists` if the id belongs to another graph; `KeyTaken`; `WorkflowNotFound` if
        the run to be reused does not exist, or was pruned; `InvalidOption` for `if_running` without a key;
        `NoTransaction` if the session is in AUTOCOMMIT.
        """
        spec = with_models_at_insert(with_policy(self.spec(), if_running), models)
        return await _inserted(with_reuse(spec, _id_of(reusing)), using)

    def to_json(self, *, if_running: IfRunning | None = None) -> str:
        """Return the workflow as JSON text, for connections that `insert` does not take, such as synchronous ones.

        Any driver inserts it with `select * from baton.insert_workflow_json($1)`, in its own transaction. The function
        returns `key`, `id` and `is_new`, which is false if the id exists with the same graph; if it exists with another
        one, it raises a unique violation. If another run holds the key and stays, `id` is that run's and `is_new` is
        false; with `if_running="refuse"` that is a unique violation. Raises `InvalidWorkflow` and `InvalidOption`.
        """
        return _as_json(with_policy(self.spec(), if_running))


class InsertableJob(Insertable):
    """A mixin of `Job`: its workflow has one step, and what holds for the run is given with the insert."""

    __slots__ = ()

    def spec(self, workflow_id: str | None = None, scope: Bounds | None = None) -> WorkflowSpec:
        """Return the workflow as it is handed to the database. Raises `InvalidWorkflow` and `InvalidName`."""
        raise NotImplementedError

    async def insert(
        self,
        using: Engine | CallerConnection | None = None,
        *,
        workflow_id: str | None = None,
        key: str | None = None,
        key_for: Seconds | None = None,
        tags: Mapping[str, str] | None = None,
        if_running: IfRunning | None = None,
        models: ModelMap | None = None,
        reusing: Run | str | None = None,
    ) -> Run:
        """Insert a workflow of this one step, named as its worker; see `Baton.insert`.

        `workflow_id` is any non-empty string of at most 200 characters; left out, a UUID is drawn for each insert. It
        is free again when the workflow is pruned. `key`, `key_for` and `tags` are as in `Baton.new`. `models` names the
        language model that the step asks, as `ctx.model`. `reusing` is as in `Baton.insert`.

        Raises `InvalidWorkflow`, `InvalidName`, `InvalidOption`, `WorkflowExists`, `KeyTaken` and `NoTransaction`.
        """
        spec = _job_spec(self, workflow_id, key, key_for, tags, if_running)
        return await _inserted(with_reuse(with_models_at_insert(spec, models), _id_of(reusing)), using)

    def to_json(
        self,
        *,
        workflow_id: str | None = None,
        key: str | None = None,
        key_for: Seconds | None = None,
        tags: Mapping[str, str] | None = None,
        if_running: IfRunning | None = None,
    ) -> str:
        """Return a workflow of this one step as JSON text; see `Baton.to_json`. The arguments are as in `insert`.

        Raises `InvalidWorkflow`, `InvalidName` and `InvalidOption`.
        """
        return _as_json(_job_spec(self, workflow_id, key, key_for, tags, if_running))


def _job_spec(
    job: InsertableJob,
    workflow_id: str | None,
    key: str | None,
    key_for: Seconds | None,
    tags: Mapping[str, str] | None,
    if_running: IfRunning | None,
) -> WorkflowSpec:
    scope = run_scope(None, checked_key(key, key_for), checked_tags("tags", tags))
    return with_policy(job.spec(workflow_id, scope), if_running)


async def _inserted(spec: WorkflowSpec, using: Engine | CallerConnection | None) -> Run:
    from baton.client.insert import insert_workflow

    return await insert_workflow(spec, using)


def _as_json(spec: WorkflowSpec) -> str:
    from baton.client.insert import limits_in_effect

    return to_json(spec, limits_in_effect())


def _id_of(reusing: Run | str | None) -> str | None:
    return reusing if reusing is None or isinstance(reusing, str) else reusing.id
