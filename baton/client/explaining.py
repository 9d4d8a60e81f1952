"""Why a run, or a step of it, is where it is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from baton.errors import StepNotFound, WorkflowNotFound

if TYPE_CHECKING:
    from baton.client.run import Run
    from baton.core.explaining.explanation import Explanation


EXPLANATION_SECONDS = 2.0
"""How long an error that time is up may take to say why."""


class ExplainsSteps:
    """A mixin of `Run`: why its steps are where they are."""

    async def explain(self, step: str | None = None) -> Explanation:
        """Return why a step is not running, or ended as it did, down to the root; `str()` of it is a sentence.

        Without a name: what holds up the run, or why it ended as it did. One read, as of one moment, of tens of
        milliseconds in a workflow of 100,000 steps. `.cause` is one of the classes in `baton.causes`, `.path` leads
        from the step to its root, and `.root` is what to look at.

        Raises:
            WorkflowNotFound: there is no such workflow.
            StepNotFound: there is no such step.
        """
        run = cast("Run", self)
        engine = run.engine_to_ask()
        if step is None:
            explanation = await engine.explanations.of_run(run.id)
            if explanation is None:
                raise WorkflowNotFound(run.id)
            return explanation
        (name,) = await run.names_stored([step])
        explanation = await engine.explanations.of_step(run.id, name)
        if explanation is None:
            names = await engine.reads.names(run.id)
            raise StepNotFound(run.id, step, names) if names else WorkflowNotFound(run.id)
        return explanation

    async def why_unfinished(self, step: str | None, timeout: float | None) -> str:
        """Return the message of an error that a workflow, or a step, has not ended in time: with the reason."""
        run = cast("Run", self)
        what = f"workflow {run.id!r}" if step is None else f"step {step!r} of workflow {run.id!r}"
        why = f"{what} is not final after {timeout} s"
        try:
            async with asyncio.timeout(EXPLANATION_SECONDS):
                explanation = await self.explain(step)
        except TimeoutError:
            return f"{why}; the database does not answer the question why"
        except (WorkflowNotFound, StepNotFound):
            return why
        return f"{why}: {'; '.join(explanation.leads_to())}"
