"""The methods of a run by which people put it right: retry, cancel, complete, skip, start now."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, cast, overload

from baton.client.intervention_call import InterventionCall
from baton.core import codec
from baton.database.interventions import Changes, Intervention, InterventionStore
from baton.errors import InvalidOption, WorkflowNotFound

if TYPE_CHECKING:
    from baton.client.run import Run

log = logging.getLogger("baton")


class Intervening:
    """A mixin of `Run`: what somebody decides about it.

    Each of these calls is noted, if it changes anything: when, by which database role, and who and why as `actor` and
    `reason` say; see `interventions`. With `dry_run` nothing is changed: the call is made and taken back, and what it
    would change is returned. It raises what the call would raise.
    """

    @overload
    async def cancel(
        self,
        *steps: str,
        reason: str | None = ...,
        force: bool = ...,
        as_skipped: bool = ...,
        actor: str | None = ...,
        dry_run: Literal[False] = ...,
    ) -> int: ...
    @overload
    async def cancel(
        self,
        *steps: str,
        reason: str | None = ...,
        force: bool = ...,
        as_skipped: bool = ...,
        actor: str | None = ...,
        dry_run: Literal[True],
    ) -> Changes: ...
    async def cancel(
        self,
        *steps: str,
        reason: str | None = None,
        force: bool = False,
        as_skipped: bool = False,
        actor: str | None = None,
        dry_run: bool = False,
    ) -> int | Changes:
        """Cancel the workflow, or only the named steps. Returns how many steps this call cancelled.

        Of the whole workflow, every ordinary step that is not final is cancelled, whatever its flags. The workflow is
        final when this returns, unless it has closing steps or undos: these still run, unless `force` cancels them as
        well. Of single steps, their dependents go on as the rules say. What still runs for a cancelled step is
        cancelled within about a second, and nothing it returns is accepted. A reason longer than 2,000 characters is
        cut in the middle.

        With `as_skipped` the named steps, which are no longer wanted, end as skipped: the workflow does not fail
        because of them, their dependents are skipped unless they ignore that, and `retry()` leaves them.

        Raises:
            StepNotFound: a name is no step of the workflow; nothing was cancelled.
            InvalidOption: `as_skipped` without names; a whole workflow cannot be skipped.
        """
        if as_skipped and not steps:
            whole = "a whole workflow cannot be skipped: name the steps, or leave it out to cancel the workflow"
            raise InvalidOption("as_skipped", as_skipped, whole)
        call = await InterventionCall.of(self, steps, reason, actor)
        if dry_run:
            return await call.tried("cancel", force=force, as_skipped=as_skipped)
        cancelled = await call.engine.store.cancel(
            call.run.id, call.names or None, call.reason, force=force, as_skipped=as_skipped, actor=call.actor
        )
        await call.require_known(cancelled.count, cancelled.unknown)
        return cancelled.count or 0

    @overload
    async def retry(
        self,
        *steps: str,
        forward: bool = ...,
        downstream: bool = ...,
        reason: str | None = ...,
        actor: str | None = ...,
        dry_run: Literal[False] = ...,
    ) -> int: ...
    @overload
    async def retry(
        self,
        *steps: str,
        forward: bool = ...,
        downstream: bool = ...,
        reason: str | None = ...,
        actor: str | None = ...,
        dry_run: Literal[True],
    ) -> Changes: ...
    async def retry(
        self,
        *steps: str,
        forward: bool = False,
        downstream: bool = False,
        reason: str | None = None,
        actor: str | None = None,
        dry_run: bool = False,
    ) -> int | Changes:
        """Open again every discarded and cancelled step. Returns how many steps this call opened.

        With names: those steps, however they ended, and what was cancelled or skipped downstream of them; of a group,
        what failed in it (if nothing did, a warning in the log says so). Attempts begin again at 0, the history of
        errors is kept. A dependent that began by ignoring the failure keeps its run.
        Closing steps over what is opened are opened as well. What was undone is opened with all that is downstream of
        it; with `forward` it stays undone, and only what failed is opened.

        With `downstream` everything downstream of these steps runs again too, however it ended; what waits for its next
        attempt there begins anew. Maps and returned graphs among it expand anew, and what they had made is deleted. A
        named group in which nothing failed runs again as a whole.

        Raises:
            StepNotFound: a name is no step of the workflow; nothing was changed.
            RetryRefused: a named step is not final or belongs to an earlier round, or undos keep it from running again;
                or with `downstream`, a step there executes, or is a map or graph whose steps are not final. Nothing was
                changed.
            KeyTaken: another run holds its key; nothing was changed.
        """
        call = await InterventionCall.of(self, steps, reason, actor)
        if dry_run:
            return await call.tried("retry", forward=forward, downstream=downstream)
        retried = await call.engine.store.retry(
            call.run.id,
            call.names or None,
            forward=forward,
            downstream=downstream,
            actor=call.actor,
            reason=call.reason,
        )
        await call.require_known(retried.count, retried.unknown)
        await call.require_retryable(retried.refused, retried.run_key, retried.key_holder)
        if steps and not retried.count:
            # An ordinary step is opened however it ended, or refused.
            log.warning(
                "retry(%s) of workflow %r opened nothing: of a group it opens what failed, and nothing did; name the "
                "steps in it that are to run again, or retry it with downstream=True",
                ", ".join(map(repr, steps)),
                call.run.id,
            )
        return retried.count or 0

    @overload
    async def complete(
        self,
        step: str,
        value: Any = ...,
        *,
        forward: bool = ...,
        reason: str | None = ...,
        actor: str | None = ...,
        dry_run: Literal[False] = ...,
    ) -> int: ...
    @overload
    async def complete(
        self,
        step: str,
        value: Any = ...,
        *,
        forward: bool = ...,
        reason: str | None = ...,
        actor: str | None = ...,
        dry_run: Literal[True],
    ) -> Changes: ...
    async def complete(
        self,
        step: str,
        value: Any = None,
        *,
        forward: bool = False,
        reason: str | None = None,
        actor: str | None = None,
        dry_run: bool = False,
    ) -> int | Changes:
        """Complete a step with this value, without running it. Returns how many steps were ended or opened.

        It may wait for anything: dependencies, a time, a signal, its next attempt. If it is discarded, cancelled or
        skipped, what was cancelled or skipped downstream of it is opened, as `retry` opens it; `forward` is as there.
        The step counts as one that began, so its undo takes it back if the workflow ends badly. An undo can be
        completed too: what it takes back counts as taken back.

        Raises:
            StepNotFound: there is no such step.
            InterventionRefused: it executes, is completed already, is a group, belongs to an earlier round, was sent a
                signal, or undos keep it from being opened. Nothing was changed.
            KeyTaken: it has ended, and another run holds the key of its workflow.
            NotJSON: the value has no faithful form in JSON.
            InvalidOption: the value is larger than a result may be.
        """
        text = codec.encode(value)
        call = await InterventionCall.of(self, [step], reason, actor)
        if len(text.encode("utf-8", "surrogatepass")) > (most := call.engine.size_limits.result_bytes):
            raise InvalidOption("value", type(value), f"its JSON has more than {most:,} bytes, the limit of results")
        if dry_run:
            return await call.tried("complete", text, forward=forward)
        (name,) = call.names
        ended = await call.store.complete(call.run.id, name, text, call.reason, call.actor, forward=forward)
        await call.require_ended("be completed", ended.changed, ended.refusal, ended.facts)
        return ended.changed or 0

    @overload
    async def skip(
        self,
        step: str,
        *,
        forward: bool = ...,
        reason: str | None = ...,
        actor: str | None = ...,
        dry_run: Literal[False] = ...,
    ) -> int: ...
    @overload
    async def skip(
        self,
        step: str,
        *,
        forward: bool = ...,
        reason: str | None = ...,
        actor: str | None = ...,
        dry_run: Literal[True],
    ) -> Changes: ...
    async def skip(
        self,
        step: str,
        *,
        forward: bool = False,
        reason: str | None = None,
        actor: str | None = None,
        dry_run: bool = False,
    ) -> int | Changes:
        """Skip a step: it ends without running, and fails nothing. Returns how many steps were ended or opened.

        Its dependents are skipped, unless they ignore that. If it is discarded or cancelled, what was cancelled
        downstream of it is opened for that; `forward` is as in `retry`.

        Raises: as `complete`, also for a step that is skipped already. `cancel(step, as_skipped=True)` takes steps that
        execute, and groups that are not final.
        """
        call = await InterventionCall.of(self, [step], reason, actor)
        if dry_run:
            return await call.tried("skip", forward=forward)
        (name,) = call.names
        ended = await call.store.skip(call.run.id, name, call.reason, call.actor, forward=forward)
        await call.require_ended("be skipped", ended.changed, ended.refusal, ended.facts)
        return ended.changed or 0

    @overload
    async def start_now(
        self, step: str, *steps: str, reason: str | None = ..., actor: str | None = ..., dry_run: Literal[False] = ...
    ) -> int: ...
    @overload
    async def start_now(
        self, step: str, *steps: str, reason: str | None = ..., actor: str | None = ..., dry_run: Literal[True]
    ) -> Changes: ...
    async def start_now(
        self, step: str, *steps: str, reason: str | None = None, actor: str | None = None, dry_run: bool = False
    ) -> int | Changes:
        """Let steps start that wait for a time: scheduled ones, and those that wait for their next attempt.

        A timer ends. A named group stands for the steps below it. Returns how many steps this call started.

        Raises:
            StepNotFound: a name is no step of the workflow; nothing was changed.
            InterventionRefused: a step does not wait for a time, or no step of a group does; nothing was changed.
        """
        call = await InterventionCall.of(self, [step, *steps], reason, actor)
        if dry_run:
            return await call.tried("start_now")
        started = await call.store.start_now(call.run.id, call.names, call.actor, call.reason)
        await call.require_known(started.started, started.unknown)
        await call.require_timed(started.refused)
        return started.started or 0

    async def interventions(self) -> Sequence[Intervention]:
        """Return what people and programs changed by decision, the oldest first: who, when, what and why.

        Calls that changed nothing are not noted, nor are signals and messages that were sent without `actor`. They are
        pruned with the workflow.
        """
        run = cast("Run", self)
        engine = run.engine_to_ask()
        found = await InterventionStore(engine.store.calls, engine.schema).of_run(run.id)
        if found is None:
            raise WorkflowNotFound(run.id)
        return found
