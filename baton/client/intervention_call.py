"""One call by which somebody changes a run: the form in which it is sent, and the errors for what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn, cast

from baton.core.names import checked_actor
from baton.core.outcome import MAX_SUMMARY, storable
from baton.database.interventions import Changes, DryRun, InterventionStore, Repair
from baton.errors import InterventionRefused, KeyTaken, RetryRefused, StepNotFound, WorkflowNotFound

if TYPE_CHECKING:
    from baton.client.engine import Engine
    from baton.client.run import Run


class InterventionCall:
    """What is common to these calls: whom to ask, and in what form names and reasons are stored."""

    def __init__(self, run: Run, engine: Engine, names: Sequence[str], reason: str | None, actor: str | None) -> None:
        self.run = run
        self.engine = engine
        self.names = names
        self.reason = None if reason is None else storable(reason, MAX_SUMMARY)
        self.actor = checked_actor(actor)
        self.store = InterventionStore(engine.store.calls, engine.schema)

    @classmethod
    async def of(cls, run: object, steps: Sequence[str], reason: str | None, actor: str | None) -> InterventionCall:
        asked = cast("Run", run)
        return cls(asked, asked.engine_to_ask(), await asked.names_stored(steps), reason, actor)

    async def tried(self, action: Repair, result: str | None = None, **options: bool) -> Changes:
        """Return what the call would change; raise what it would raise."""
        tried: DryRun = await self.store.dry_run(self.run.id, action, self.names or None, result, **options)
        match action:
            case "retry" | "cancel":
                await self.require_known(tried.changed, tried.unknown)
                holder, key = tried.facts if tried.refusal == "key" else (None, None)
                await self.require_retryable(tried.refused, key, holder)
            case "start_now":
                await self.require_known(tried.changed, tried.unknown)
                await self.require_timed(tried.refused)
            case "complete":
                await self.require_ended("be completed", tried.changed, tried.refusal, tried.facts)
            case "skip":
                await self.require_ended("be skipped", tried.changed, tried.refusal, tried.facts)
        assert tried.changes is not None
        return tried.changes

    async def require_known(self, count: int | None, unknown: Sequence[str]) -> None:
        """Raise unless the workflow is there and has all the named steps."""
        if count is None:
            raise WorkflowNotFound(self.run.id)
        if unknown:
            raise StepNotFound(self.run.id, unknown[0], await self.engine.reads.names(self.run.id))

    async def require_retryable(
        self, refused: Sequence[str], run_key: str | None = None, key_holder: str | None = None
    ) -> None:
        if run_key is not None and key_holder is not None:
            raise KeyTaken(run_key, key_holder)
        if refused:
            raise RetryRefused(await self.engine.reads.states(self.run.id, refused))

    async def require_timed(self, refused: Sequence[str]) -> None:
        if not refused:
            return
        states = await self.engine.reads.states(self.run.id, refused[:1])
        state = states.get(refused[0], "gone")
        raise InterventionRefused(
            self.run.id, refused[0], "be started now", _WHY_NOT_STARTED.get(state, _not_timed(state))
        )

    async def require_ended(self, verb: str, changed: int | None, refusal: str | None, facts: Sequence[str]) -> None:
        """Raise unless the step was ended."""
        (name,) = self.names
        await self.require_known(changed, [name] if refusal == "step" else [])
        if refusal is not None:
            self._refuse(name, verb, refusal, facts)

    def _refuse(self, name: str, verb: str, refusal: str, facts: Sequence[str]) -> NoReturn:
        step = repr(name)
        match refusal:
            case "group":
                why = "it is a group, which ends as its steps do; name the steps in it"
            case "executing":
                why = f"it is executing; wait for it, or stop it with cancel({step}) first"
            case "ended":
                why = f"it is {facts[0]} already; retry({step}, downstream=True) runs it and what follows again"
            case "signal":
                why = "a signal for it has come, and it completes with that"
            case "anew":
                why = f"it is a part of {facts[0]!r}, which was undone and begins anew; use forward=True, or retry()"
            case "key":
                holder, key = facts
                raise KeyTaken(key, holder)
            case "round":
                why = "it belongs to an earlier round; name a step of the last one"
            case _:
                undos = ", ".join(map(repr, facts[:3]))
                why = (
                    f"undos or closing steps are not final, or failed ({undos}); see to them first, or use forward=True"
                )
        raise InterventionRefused(self.run.id, name, verb, why)


def _not_timed(state: str) -> str:
    return f"it is {state}, and waits for no time"


_WHY_NOT_STARTED = {
    "available": "it is available already, and waits for a free slot of a worker pool",
    "executing": "it is executing already",
    "suspended": "it is suspended: what it waits for are other steps, a slot of its map, or the steps in it",
    "waiting": "it waits for a signal, a message or another run, not for a time",
}
