"""Why steps are not running, or ended as they did: one read, as of one moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from baton.database.migrate import quoted

if TYPE_CHECKING:
    from baton.core.explaining.explanation import ExplainedStep, Explanation
    from baton.core.explaining.facts import Facts
    from baton.database.connections import Calls
    from baton.database.explanation_query import About


# Causes are many classes, and few programs need them: what makes explanations is imported by the first one.
class Explanations:
    """The query behind `Run.explain`. It takes milliseconds, however large the workflow is."""

    def __init__(self, calls: Calls, schema: str) -> None:
        self._calls = calls
        self._schema = quoted(schema)

    async def of_step(self, workflow_id: str, step: str) -> Explanation | None:
        """Return why a step is where it is, down to the root; None if there is no such workflow or step."""
        from baton.core.explaining.explanation import explained

        facts = await self._facts("step", workflow_id, step)
        return None if facts is None or not facts.targets else explained(facts, step)

    async def of_run(self, workflow_id: str) -> Explanation | None:
        """Return what holds up a workflow, or why it ended as it did; None if there is no such workflow."""
        from baton.core.explaining.explanation import explained

        facts = await self._facts("run", workflow_id)
        return None if facts is None else explained(facts, None)

    async def of_each(self, workflow_id: str, steps: Sequence[int]) -> Mapping[int, ExplainedStep]:
        """Return why each of these steps of a workflow is where it is, without what that leads to, by id.

        Takes about a tenth of a millisecond a step: ask for those that are shown, at most 400. The others are left out.
        """
        from baton.core.explaining.explanation import explained_each
        from baton.database.explanation_query import MOST_AT_ONCE

        facts = await self._facts("ids", workflow_id, list(steps[:MOST_AT_ONCE]))
        return {} if facts is None else explained_each(facts)

    async def of_named(self, workflow_id: str, steps: Sequence[str]) -> Mapping[str, ExplainedStep]:
        """Return the same by name. All steps of the workflow are read once to find them."""
        from baton.core.explaining.explanation import explained_each
        from baton.database.explanation_query import MOST_AT_ONCE

        facts = await self._facts("names", workflow_id, list(steps[:MOST_AT_ONCE]))
        return {} if facts is None else {one.step: one for one in explained_each(facts).values()}

    async def _facts(self, about: About, workflow_id: str, *more: object) -> Facts | None:
        from baton.core.explaining.facts import Facts
        from baton.database.explanation_query import query

        rows = await self._calls.fetch(query(about, self._schema), workflow_id, *more)
        return msgspec.json.decode(rows[0]["facts"], type=Facts) if rows else None
