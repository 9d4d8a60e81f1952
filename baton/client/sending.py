"""What is sent to steps that wait for it, in a transaction of the engine's or of the caller."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import msgspec

from baton.client.caller_transactions import caller_transaction
from baton.client.engine import Engine
from baton.client.engine_in_use import engine_in_use, schema_of
from baton.core import codec
from baton.core.names import checked_actor, checked_text
from baton.core.type_names import known_type
from baton.database.connections import RetryingCalls
from baton.database.messages import Sent
from baton.database.store import Store
from baton.errors import SignalRefused, StepNotFound, TransactionStillOpen, WorkflowNotFound
from baton.errors.texts import quoted

if TYPE_CHECKING:
    from baton.client.caller_transactions import CallerConnection
    from baton.client.run import Run


class SendsToSteps:
    """A mixin of `Run`: what is sent to its steps."""

    async def signal(
        self,
        step: str,
        value: Any = None,
        *,
        key: str | None = None,
        using: Engine | CallerConnection | None = None,
        actor: str | None = None,
    ) -> bool:
        """Send a signal to a step that waits for one, or will: it completes with this value.

        Returns True if the signal is recorded: the step completes with it unless it is cancelled first. The same `key`
        again returns True and changes nothing, until the workflow is pruned. False if another signal came first. With a
        connection or session of the caller as `using`, it is recorded if the caller's transaction commits, and nothing
        else of the workflow is locked until then. With `actor`, the person who decides, it is noted in `interventions`.

        Raises:
            StepNotFound: no step of this name waits for a signal.
            SignalRefused: the step ended without one, or the value is not of the step's type.
            NotJSON: the value has no faithful form in JSON.
        """
        run = cast("Run", self)
        (name,) = await run.names_stored([step])
        return await _send_signal(run, name, value, key, using, checked_actor(actor))

    async def send(
        self,
        topic: str,
        value: Any = None,
        *,
        key: str | None = None,
        using: Engine | CallerConnection | None = None,
        actor: str | None = None,
    ) -> None:
        """Send a message to the steps that receive those of a topic: one of them takes it, now or later.

        When this returns, the message is recorded; of one `key`, a topic keeps the first. `using` and `actor` are as in
        `signal`.

        Raises:
            SignalRefused: the workflow has ended, or the value is not of the type that the next step expects.
            NotJSON: the value has no faithful form in JSON.
        """
        await _send_message(cast("Run", self), topic, value, key, using, checked_actor(actor))


async def _send_signal(
    run: Run,
    step: str,
    value: Any,
    key: str | None,
    using: Engine | CallerConnection | None,
    actor: str | None,
) -> bool:
    """Record a signal for a step; see `Run.signal`."""
    name = None if key is None else checked_text("key", key)
    text = codec.encode(value)
    store = await _store(run, using)
    _require_fitting(run.id, f"step {quoted(step)}", text, await store.awaited_kind(run.id, step))
    # A key of its own lets a call whose answer was lost be made again.
    sent = await store.record_signal(run.id, step, text, name or f"baton:{uuid4()}", actor)
    if sent.refusal is not None:
        await _refuse(run, step, sent)
    return sent.accepted


async def _send_message(
    run: Run,
    topic: str,
    value: Any,
    key: str | None,
    using: Engine | CallerConnection | None,
    actor: str | None,
) -> None:
    """Record a message for the steps that receive those of a topic; see `Run.send`."""
    checked_text("topic", topic)
    name = None if key is None else checked_text("key", key)
    text = codec.encode(value)
    store = await _store(run, using)
    _require_fitting(run.id, f"topic {topic!r}", text, await store.topic_kind(run.id, topic))
    sent = await store.record_message(run.id, topic, text, name or f"baton:{uuid4()}", actor)
    if sent.refusal == "ended":
        raise SignalRefused(
            run.id, f"topic {topic!r}", f"the workflow is {sent.facts[0]}, and takes no messages any more"
        )
    if sent.refusal is not None:
        await _refuse(run, topic, sent)


async def _store(run: Run, using: Engine | CallerConnection | None) -> Store:
    if using is None or isinstance(using, Engine):
        engine = using or run.engine_to_ask()
        return Store(RetryingCalls(engine.connections), engine.schema)
    return Store((await caller_transaction(using)).calls(), schema_of(engine_in_use()))


def _require_fitting(workflow: str, what: str, text: str, kind: str | None) -> None:
    expected = known_type(kind)
    if expected is Any:
        return
    try:
        codec.decoder_of("Signal", "its value", expected).decode(text)
    except msgspec.ValidationError as error:
        raise SignalRefused(workflow, what, f"the value does not fit: {error}") from None


async def _refuse(run: Run, step: str, sent: Sent) -> None:
    match sent.refusal:
        case "workflow" if run.is_in_open_transaction:
            raise TransactionStillOpen(run.id)
        case "workflow":
            raise WorkflowNotFound(run.id)
        case "ended":
            state, reason = sent.facts
            why = f"it is {state}" + (f": {reason}" if reason else "")
            raise SignalRefused(
                run.id, f"step {quoted(step)}", f"{why}; after retry({step!r}) it waits for a signal again"
            )
        case _:
            raise StepNotFound(run.id, step, _known(sent.facts), " that waits for a signal")


def _known(names: Sequence[str | None]) -> list[str]:
    return [name for name in names if name is not None]
