"""What is read of the language models that a run asked."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, cast

from baton.errors import InvalidOption, TransactionStillOpen, WorkflowNotFound

if TYPE_CHECKING:
    from baton.client.run import Run
    from baton.database.model_calls import BudgetState, RunUsage


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

    async def budgets(self) -> Sequence[BudgetState]:
        """Return how much of its budgets is spent and reserved, of those of its groups and of shared ones as well.

        Of a workflow that does not exist there are none.
        """
        from baton.database.model_calls import read_budgets

        run = cast("Run", self)
        engine = run.engine_to_ask()
        return await read_budgets(engine.connections, engine.schema, run.id)

    async def raise_budget(
        self,
        *,
        cost: Decimal | float | None = None,
        tokens: int | None = None,
        group: str = "",
        key: str | None = None,
        tag: str | None = None,
    ) -> None:
        """Raise a budget of the run to at least `cost` dollars or `tokens`; steps that wait for it try again at once.

        `group` names the group whose budget it is; left out, that of the whole run. `key` or `tag` names a shared one,
        which is raised for all runs that share it, in this hour, day or month. May be repeated: it never lowers.

        Raises: InvalidOption if the run has no such budget, WorkflowNotFound, TransactionStillOpen.
        """
        run = cast("Run", self)
        shared = None if key is None else f"key {key}"
        if tag is not None:
            known = [state.shared or "" for state in await self.budgets()]
            shared = next((one for one in known if one.startswith(f"tag {tag}=")), f"tag {tag}")
        from baton.core.usage.call_usage import checked_cost

        dollars = None if cost is None else checked_cost("cost", cost)
        if not await run.engine_to_ask().store.raise_budget(run.id, group, shared, dollars, tokens):
            await run.status()
            raise InvalidOption("group", shared or group, f"workflow {run.id!r} has no such budget")
