"""What is read of the language models that a run asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from baton.errors import TransactionStillOpen, WorkflowNotFound

if TYPE_CHECKING:
    from baton.client.run import Run
    from baton.database.model_calls import RunUsage


class UsesModels:
    """A mixin of `Run`: what its calls of language models used."""

    async def usage(self) -> RunUsage:
        """Return what its calls of language models used and cost until now, those of failed attempts among them.

        The sums are attributes (`calls`, `tokens`, `input_tokens`, `cost`, …), and there are those of each step and
        model (`by_step`, `by_model`). `cost` is None if one of the calls has no price; `known_cost` is what the others
        cost. Calls of an attempt that runs are there two seconds after they were recorded, at the latest.

        Raises: WorkflowNotFound, TransactionStillOpen.
        """
        from baton.database.model_calls import read_run_usage

        run = cast("Run", self)
        engine = run.engine_to_ask()
        found = await read_run_usage(engine.connections, engine.schema, run.id)
        if found is None:
            raise TransactionStillOpen(run.id) if run.is_in_open_transaction else WorkflowNotFound(run.id)
        return found
