"""Expansions on their way to the database: maps, and graphs that workers returned. Each is sent in calls of its own.

A large expansion is sent in parts, in one transaction. So memory holds its list and one part, and nobody sees any of it
before the commit. After a failure it is sent again from its first part on; the database recognises it by its token.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from baton.core import codec
from baton.core.expansion import Expansion
from baton.core.item_graphs import ITEM_WORKER, filled
from baton.core.limits import MOST_NESTED, Limits
from baton.core.map_items import Items, NoItems, items_of
from baton.core.outcome import Outcome, completed, discarded
from baton.database.connections import ReconnectingConnection, pause_before
from baton.database.failures import Failure, failure_of
from baton.database.messages import Claimed, Expanded, Part, Settlement
from baton.database.store import STEPS_PER_CALL, Store
from baton.errors.faults import ArgumentsTooLarge, NestedTooDeep, UnknownDependency
from baton.events import Observers
from baton.runtime import failpoints
from baton.runtime.call_events import call_failed, outcome_replaced


@dataclass(frozen=True, slots=True)
class Expanding:
    """A claimed step that is to become a group. If its worker returned a graph, the outcome has it."""

    claimed: Claimed
    settling: Settlement


class Expander:
    """Sends expansions one after the other.

    Args:
        on_answered: called when an expansion took effect (True), or when its claim was void (False).
        on_outcome: called with the outcome that replaces an expansion that is not possible.
    """

    def __init__(
        self,
        connection: ReconnectingConnection,
        schema: str,
        limits: Limits,
        on_answered: Callable[[Settlement, bool], None],
        on_outcome: Callable[[Settlement], None],
        observers: Observers,
    ) -> None:
        self._connection = connection
        self._limits = limits
        self._sending = Sending(Store(connection, schema), limits, connection.transaction)
        self._on_answered = on_answered
        self._on_outcome = on_outcome
        self._observers = observers
        self._waiting: deque[Expanding] = deque()
        self._wake = asyncio.Event()

    def put(self, claimed: Claimed, settling: Settlement) -> None:
        self._waiting.append(Expanding(claimed, settling))
        self._wake.set()

    async def run(self) -> None:
        """Send expansions until cancelled."""
        failures = 0
        try:
            while True:
                await self._wake.wait()
                while self._waiting:
                    failures = 0 if await self._expand(self._waiting.popleft()) else failures + 1
                    if failures:
                        await asyncio.sleep(pause_before(failures))
                self._wake.clear()
        finally:
            await self._connection.aclose()

    async def _expand(self, expanding: Expanding) -> bool:
        """Send one expansion. Return False if it failed and waits to be sent again."""
        claimed, settling = expanding.claimed, expanding.settling
        try:
            plan = await self._sending.plan(claimed, settling.outcome)
            ended = plan if isinstance(plan, Outcome) else await self._sending.send(settling, plan)
        except Refused as refused:
            ended = refused.outcome
        except Exception as error:  # noqa: BLE001 - whatever it was, the outcome must not be lost
            failure = failure_of(error)
            self._observers.emit(call_failed("expand", [settling], error, failure))
            if failure is not Failure.DATA:
                self._waiting.append(expanding)
                return False
            ended = Outcome("failed", f"the children of this step could not be stored: {type(error).__name__}")
        if isinstance(ended, Outcome):
            replaced = Settlement(settling.step_id, settling.token, ended)
            # A map over no items is completed at once: nothing went wrong.
            if ended.kind != "completed":
                self._observers.emit(outcome_replaced(replaced))
            self._on_outcome(replaced)
        else:
            self._on_answered(settling, ended)
        return True


class Refused(Exception):  # noqa: N818  # a signal that rolls back, seen by no caller
    """The expansion is not possible, and another attempt would not help."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.outcome = discarded(why)


@dataclass(frozen=True, slots=True)
class Sending:
    """Sends one expansion, in parts if it is large."""

    store: Store
    limits: Limits
    transaction: Callable[[], AbstractAsyncContextManager[object]]
    """Makes the calls for several parts one transaction. Not used for a single part."""

    async def plan(self, claimed: Claimed, outcome: Outcome) -> Items | Expansion | Outcome:
        """Return the expansion to send; or an outcome, if the step cannot be expanded or has no children."""
        if claimed.map is not None:
            return _planned_map(claimed)
        if claimed.worker != ITEM_WORKER:
            assert outcome.graph is not None
            return _planned_graph(claimed, outcome.graph, self.limits)
        text = await self.store.item_graph(claimed)
        if text is None:
            return discarded("it is not a child of a map of a workflow, and has no other worker")
        try:
            graph = filled(text, codec.decode(claimed.args))
        except (ValueError, LookupError, TypeError) as error:
            return discarded(f"the workflow of this item cannot be made: {error}")
        return _planned_graph(claimed, graph, self.limits)

    async def send(self, settling: Settlement, plan: Items | Expansion) -> bool:
        """Return True if it took effect, False if the claim is void. Raises `Refused`, and what the calls raise."""
        size = plan.size if isinstance(plan, Items) else len(plan.steps)
        await failpoints.reach("before expand")
        if size <= STEPS_PER_CALL:
            accepted = (await self._send_part(settling, plan, Part(None, 0, size))).accepted
        else:
            async with self.transaction():
                accepted = await self._send_parts(settling, plan, size)
        await failpoints.reach("after expand")
        return accepted

    async def _send_parts(self, settling: Settlement, plan: Items | Expansion, size: int) -> bool:
        base: int | None = None
        for first in range(0, size, STEPS_PER_CALL):
            answer = await self._send_part(settling, plan, Part(base, first, min(first + STEPS_PER_CALL, size)))
            base = answer.base
            if base is None:
                return answer.accepted
            await failpoints.reach("between parts of an expansion")
        return True

    async def _send_part(self, settling: Settlement, plan: Items | Expansion, part: Part) -> Expanded:
        match plan:
            case Items():
                arguments = list(self._within_limits(plan.arguments(part.first, part.end), part.first))
                answer = await self.store.expand_map(settling, plan.size, arguments, part, self.limits.most_steps)
            case Expansion():
                answer = await self.store.expand(settling, plan, part, self.limits.most_steps)
        if answer.too_many is not None:
            steps, most = answer.too_many, self.limits.most_steps
            raise Refused(f"with its children the workflow would have {steps:,} steps, and the limit is {most:,}")
        if answer.unknown:
            raise Refused(_unknown_names(plan, answer))
        return answer

    def _within_limits(self, arguments: Iterator[str], first: int) -> Iterator[str]:
        for number, text in enumerate(arguments, first):
            if (size := self.limits.excess(text)) is not None:
                raise Refused(str(ArgumentsTooLarge(f"[{number}]", size, self.limits.argument_bytes)))
            yield text


def _depth(claimed: Claimed) -> int:
    return claimed.step.count("/") + claimed.step.count("[")


def _planned_graph(claimed: Claimed, graph: Expansion, limits: Limits) -> Expansion | Outcome:
    for step in graph.steps:
        if _depth(claimed) + 1 + step.name.count("/") > MOST_NESTED:
            return discarded(str(NestedTooDeep(f"{claimed.step}/{step.name}", MOST_NESTED)))
        if (size := limits.excess(step.args)) is not None:
            return discarded(str(ArgumentsTooLarge(step.name, size, limits.argument_bytes)))
    return graph


def _planned_map(claimed: Claimed) -> Items | Outcome:
    if _depth(claimed) + 1 > MOST_NESTED:
        return discarded(str(NestedTooDeep(claimed.step, MOST_NESTED)))
    said: dict[str, Any] = codec.decode(claimed.map or "{}")
    each: list[str] = said["each"]
    results: dict[str, Any] = {} if claimed.results is None else codec.decode(claimed.results)
    match items_of(claimed.args, claimed.arg_refs, each, results):
        case NoItems(why):
            return discarded(why)
        case Items(size=size) if size < (said.get("needs") or 0):
            return discarded(f"it needs {said['needs']} of its children to complete, and its list has {size} items")
        case Items(size=0):
            return completed("[]")
        case items:
            return items


def _unknown_names(graph: Items | Expansion, answer: Expanded) -> str:
    assert isinstance(graph, Expansion)
    names = set(answer.unknown)
    found = [
        str(UnknownDependency(step.name, name, [other.name for other in graph.steps]))
        for step in graph.steps
        if step.extras is not None and step.extras.outer is not None
        for name in step.extras.outer.deps
        if name in names
    ]
    where = "nor is it a declared dependency of the step that returned this graph"
    return f"the returned graph has {len(found)} fault(s): {'; '.join(found)}; {where}"
