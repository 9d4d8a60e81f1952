"""What jobs and workflows have in common: they can be inserted and written as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from baton.core.json_format import to_json
from baton.core.spec import WorkflowSpec
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

    async def insert(self, using: Engine | CallerConnection | None = None, *, models: ModelMap | None = None) -> Run:
        """Check the workflow, write it in one transaction or not at all, and return its run.

        `using` is an `Engine`; left out, that of the running attempt, or the one entered last; or the caller's own
        asyncpg connection, asynchronous psycopg connection, or SQLAlchemy `AsyncSession` or `AsyncConnection`: then the
        workflow commits or rolls back with the caller's transaction, and nothing is retried. An id that exists gives
        the run that exists if the graph is the same. A job is a workflow of one step, which is named as its worker.

        `models` goes before the model maps of the workflow and of the groups in it, for this run alone:
        `models={"*": "small"}` lets each step ask the small one.

        Raises `InvalidWorkflow`; `WorkflowExists` if the id belongs to another graph; `NoTransaction` if the session is
        in AUTOCOMMIT; `InvalidOption`.
        """
        return await _inserted(with_models_at_insert(self.spec(), models), using)

    def to_json(self) -> str:
        """Return the workflow as JSON text, for connections that `insert` does not take, such as synchronous ones.

        Any driver inserts it with `select * from baton.insert_workflow_json($1)`, in its own transaction. The function
        returns `key`, `id` and `is_new`, which is false if the id exists with the same graph; if it exists with another
        one, it raises a unique violation. Raises `InvalidWorkflow`.
        """
        return _as_json(self.spec())


class InsertableJob(Insertable):
    """A mixin of `Job`: its workflow has one step, and an id is given with the insert."""

    __slots__ = ()

    def spec(self, workflow_id: str | None = None) -> WorkflowSpec:
        """Return the workflow as it is handed to the database. Raises `InvalidWorkflow` and `InvalidName`."""
        raise NotImplementedError

    async def insert(
        self,
        using: Engine | CallerConnection | None = None,
        *,
        workflow_id: str | None = None,
        models: ModelMap | None = None,
    ) -> Run:
        """Insert a workflow of this one step, named as its worker; see `Baton.insert`.

        `workflow_id` is any non-empty string of at most 200 characters; left out, a UUID is drawn for each insert. It
        is free again when the workflow is pruned. `models` names the language model that the step asks, as `ctx.model`.

        Raises `InvalidWorkflow`, `InvalidName`, `InvalidOption`, `WorkflowExists` and `NoTransaction`.
        """
        return await _inserted(with_models_at_insert(self.spec(workflow_id), models), using)

    def to_json(self, *, workflow_id: str | None = None) -> str:
        """Return a workflow of this one step as JSON text; see `Baton.to_json`. `workflow_id` is as in `insert`.

        Raises `InvalidWorkflow` and `InvalidName`.
        """
        return _as_json(self.spec(workflow_id))


async def _inserted(spec: WorkflowSpec, using: Engine | CallerConnection | None) -> Run:
    from baton.client.insert import insert_workflow

    return await insert_workflow(spec, using)


def _as_json(spec: WorkflowSpec) -> str:
    from baton.client.insert import limits_in_effect

    return to_json(spec, limits_in_effect())
