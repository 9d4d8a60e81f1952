"""Takes a random workflow through the engine event by event, and compares it with the model after each.

One raw pool on one connection makes all calls, so a seed repeats a run exactly.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import asyncpg

from baton.core.outcome import Outcome
from baton.database.interventions import InterventionStore, Repair
from baton.database.messages import Claimed, ClaimRequest, Part, Settlement
from baton.database.store import Store
from tests.endings.dry_runs import tried_first
from tests.model.ending_graph import Vertex
from tests.model.ending_plan import End, EndPlan, named_by
from tests.model.ending_retry import intervene, refused, retry
from tests.model.ending_rules import Machine
from tests.programs.ending_workers import scope_of, workflow_of

MOST_EVENTS = 400
_STEPS = """
select s.name, s.state, q.state as entry, s.began, s.not_needed, s.generation
  from baton.steps s left join baton.queue q on q.step_id = s.id
 where s.id >> 22 = (select w.key from baton.workflows w where w.id = $1)
"""


class Differs(AssertionError):  # noqa: N818  # a finding of a test
    """The engine and the model differ."""


@dataclass(slots=True)
class Drive:
    """One workflow on its way to its end."""

    plan: EndPlan
    connection: asyncpg.Connection
    pool: int
    reached: Counter[str]
    """What happened in all workflows."""
    machine: Machine = field(init=False)
    store: Store = field(init=False)
    chance: random.Random = field(init=False)
    held: dict[Vertex, Claimed] = field(default_factory=dict)
    attempts: dict[Vertex, int] = field(default_factory=dict)
    void: list[tuple[Vertex, int, Claimed]] = field(default_factory=list)
    """Attempts that still run although their claim is void."""
    events: list[str] = field(default_factory=list)
    claims: int = 0
    heals: bool = False
    """Ordinary steps do not fail any more."""

    def __post_init__(self) -> None:
        self.store = Store(self.connection, "baton")
        self.chance = random.Random(f"drive {self.plan.label}")

    async def run(self) -> None:
        """Insert it, take it to its end, and then perhaps retry it."""
        await self.store.insert_workflow(workflow_of(self.plan).spec())
        self.machine = Machine(self.plan)
        self.machine.attempts = self.attempts
        await self.compare("insert")
        await self.to_the_end()
        for _ in range(self.chance.choice((0, 1, 1, 2))):
            if await (self.intervene() if self.chance.random() < 0.3 else self.retry()):
                await self.to_the_end()

    async def to_the_end(self) -> None:
        is_to_cancel = self.chance.random() < 0.35
        for _ in range(MOST_EVENTS):
            if self.machine.state != "executing":
                self.reached[self.machine.state] += 1
                return
            if is_to_cancel and self.chance.random() < 0.12:
                await self.cancel()
            elif self.chance.random() < 0.04:
                await self.intervene()
            elif self.void and self.chance.random() < 0.3:
                await self.end_void_attempt()
            elif self.held and self.chance.random() < 0.6:
                await self.settle()
            elif any(vertex.state == "ready" for vertex in self.machine.by_name().values()):
                await self.claim()
            elif self.void:
                await self.end_void_attempt()
            elif not self.held:
                waiting = [repr(one) for one in self.machine.by_name().values() if not one.is_final]
                raise Differs(self.described(f"nothing can happen any more; not final are {waiting}"))
        raise Differs(self.described("it does not end"))

    # Events

    async def claim(self) -> None:
        limit = self.chance.choice((1, 2, 5, 1000))
        claimed = await self.store.claim(self.pool, ClaimRequest(uuid4(), {"default": limit}))
        steps = self.machine.by_name()
        self.events.append(f"claim {[one.step for one in claimed]}")
        for one in claimed:
            vertex = steps.get(one.step)
            if vertex is None or vertex.state != "ready":
                raise Differs(self.described(f"{one.step} was claimed; by the model it is {vertex}"))
            self.machine.claim(vertex)
            self.claims += 1
            self.held[vertex], self.attempts[vertex] = one, self.claims
            self._compare_inputs(vertex, one)
        await self.compare("claim")

    async def settle(self) -> None:
        chosen = self.chance.sample(list(self.held), self.chance.randint(1, min(3, len(self.held))))
        first = chosen[0]
        if first.is_expandable and first.children is None:
            await self._expand(first, self.held.pop(first))
            return
        chosen = [one for one in chosen if one.children is not None or not one.is_expandable]
        ends = {one: "joined" if one.children is not None else self._end_of(one) for one in chosen}
        self.events.append(f"settle { {one.name: end for one, end in ends.items()} }")
        settling = [settlement(self.held.pop(one), end, one) for one, end in ends.items()]
        accepted = (await self.store.settle(settling)).accepted
        if not all(accepted):
            raise Differs(self.described(f"accepted: {accepted}"))
        self.machine.settle(ends)
        await self.compare("settle")

    async def _expand(self, vertex: Vertex, claimed: Claimed) -> None:
        self.events.append(f"expand {vertex.name}")
        if vertex.plan.kind == "map":
            size = len(vertex.plan.items)
            arguments = [json.dumps({"label": self.plan.label, "number": number}) for number in range(size)]
            answer = await self.store.expand_map(claimed, size, arguments, Part(None, 0, size), 10**6)
        else:
            assert vertex.plan.inside is not None
            graph = scope_of(vertex.plan.inside, self.plan.label).expansion()
            answer = await self.store.expand(claimed, graph, Part(None, 0, len(graph.steps)), 10**6)
        if not answer.accepted or answer.unknown:
            raise Differs(self.described(f"answered {answer}"))
        self.machine.expand(vertex)
        await self.compare("expand")

    async def end_void_attempt(self) -> None:
        vertex, number, claimed = self.void.pop(self.chance.randrange(len(self.void)))
        self.events.append(f"the void attempt of {vertex.name} ends")
        accepted = (await self.store.settle([settlement(claimed, "completed", vertex)])).accepted
        if any(accepted):
            raise Differs(self.described("its outcome was accepted"))
        self.machine.attempt_ended(vertex, number)
        self.reached["void attempts ended"] += 1
        await self.compare("attempt ended")

    async def cancel(self) -> None:
        force = self.chance.random() < 0.15
        names: list[str] = []
        if self.chance.random() < 0.5:
            candidates = [one.name for one in self.machine.by_name().values() if one.role == "step"]
            names = self.chance.sample(candidates, self.chance.randint(1, min(2, len(candidates))))
        self.events.append(f"cancel {names or 'all'}{' by force' if force else ''}")
        await self.store.cancel(self.plan.label, names or None, "enough", force=force)
        self.machine.cancel(names, force=force, attempts=self.attempts)
        self.reached["cancels"] += 1
        await self.compare("cancel")

    async def intervene(self) -> bool:
        """Complete or skip a step, running or ended; return whether anything was changed."""
        forward = self.chance.random() < 0.3
        steps = [one.name for one in self.machine.by_name().values() if one.role in ("step", "undo")]
        name, state = self.chance.choice(steps), self.chance.choice(("completed", "skipped"))
        if self.machine.state == "executing" and self.machine.by_name()[name].is_final:
            return False  # the model opens steps of ended runs only
        self.events.append(f"{name} is to be {state}{' forward' if forward else ''}")
        store, value = InterventionStore(self.connection, "baton"), json.dumps({"n": self.chance.randint(0, 3)})
        if self.machine.by_name()[name].role == "step":
            value = json.dumps({"n": self.machine.by_name()[name].plan.value})
        action: Repair = "complete" if state == "completed" else "skip"
        result = value if action == "complete" else None
        async with tried_first(self.connection, self.plan.label, action, [name], result, forward=forward) as differs:
            if action == "complete":
                answer = await store.complete(self.plan.label, name, value, None, "the test", forward=forward)
            else:
                answer = await store.skip(self.plan.label, name, None, "the test", forward=forward)
        self._require_same(differs)
        expected = intervene(self.machine, name, state, forward=forward)
        if (answer.refusal or answer.changed) != expected:
            raise Differs(self.described(f"answered {answer}, by the model {expected}"))
        await self.compare(action)
        self.reached[f"{action}: {expected if isinstance(expected, str) else 'done'}"] += 1
        return isinstance(expected, int)

    def _require_same(self, differs: list[str]) -> None:
        if differs:
            raise Differs(self.described("; ".join(differs)))

    async def retry(self) -> bool:
        """Retry what has ended; return whether it goes on."""
        self.heals = self.heals or self.chance.random() < 0.5
        forward = self.chance.random() < 0.3
        names: list[str] = []
        if self.chance.random() < 0.4:
            candidates = [one.name for one in self.machine.by_name().values() if one.role == "step"]
            names = self.chance.sample(candidates, self.chance.randint(1, min(2, len(candidates))))
        if self.machine.undos and self.chance.random() < 0.2:
            names = [self.chance.choice(self.machine.undos).name]
        options = {"forward": forward, "downstream": self.chance.random() < 0.3}
        self.events.append(f"retry {names or 'all'} {options}")
        async with tried_first(self.connection, self.plan.label, "retry", names, None, **options) as differs:
            answer = await self.store.retry(self.plan.label, names or None, **options)
        self._require_same(differs)
        expected = refused(self.machine, names, forward=forward)
        if set(answer.refused or ()) != expected:
            raise Differs(self.described(f"refused for {answer.refused}, by the model for {sorted(expected)}"))
        if expected:
            self.reached["retries refused"] += 1
            return False
        opened = retry(self.machine, names, **options)
        if answer.count != len(opened):
            raise Differs(self.described(f"opened {answer.count}, by the model {[one.name for one in opened]}"))
        await self.compare("retry")
        self.reached["retries"] += bool(opened)
        return bool(opened)

    def _end_of(self, one: Vertex) -> End:
        if one.undoes is not None:
            return "completed" if self.heals else one.undoes.plan.undo_end
        end = one.plan.end if one.number is None else one.plan.items[one.number]
        return "completed" if self.heals else end

    # What is compared

    async def compare(self, event: str) -> None:
        steps = self.machine.by_name()
        for vertex in [one for one in self.held if one.state != "running"]:
            claimed = self.held.pop(vertex)
            if vertex.children is None:
                self.void.append((vertex, self.attempts[vertex], claimed))
        rows = {row["name"]: row for row in await self.connection.fetch(_STEPS, self.plan.label)}
        found = {name: stored_state(row) for name, row in rows.items() if "[undone" not in name}
        wrong = [
            f"{name} is {found.get(name)}, by the model {steps.get(name)}"
            for name in {**found, **steps}
            if name not in steps or found.get(name) != steps[name].state
        ]
        for name, vertex in steps.items():
            if name in rows and vertex.is_final:
                wrong += different_facts(vertex, rows[name])
                self.reached[f"{event}: {vertex.state}"] += 1
        wrong += await self._of_the_run()
        if wrong:
            raise Differs(self.described("; ".join(wrong)))

    async def _of_the_run(self) -> list[str]:
        flow = await self.connection.fetchrow(
            "select state, ending ->> 'state' as ending from baton.workflows where id = $1", self.plan.label
        )
        if flow["state"] != self.machine.state:
            return [f"the run is {flow['state']}, by the model {self.machine.state}"]
        if flow["state"] == "executing" and flow["ending"] != self.machine.ending:
            return [f"the run is to be {flow['ending']}, by the model {self.machine.ending}"]
        return []

    def _compare_inputs(self, vertex: Vertex, claimed: Claimed) -> None:
        if vertex.role != "step" or vertex.children is not None or vertex.is_expandable or vertex.number is not None:
            return
        # What a group that ended badly has of results is another rule's affair.
        plain = {name for name in named_by(vertex.plan) if vertex.scope[name].children is None}
        completed = {name for name in plain if vertex.scope[name].state == "completed"}
        named = completed if vertex.frozen is None else completed & vertex.frozen
        given = set(json.loads(claimed.results or "{}")).difference(set(named_by(vertex.plan)) - plain)
        if given != named:
            raise Differs(self.described(f"{vertex.name} was given {sorted(given)}, by the model {sorted(named)}"))

    def described(self, what: str) -> str:
        return f"BATON_SEED={self.plan.label}: after {self.events}: {what}"


def stored_state(row: Any) -> str:
    if row["state"] == "suspended":
        return "waiting"
    if row["state"] == "queued":
        return "running" if row["entry"] == "executing" else "ready"
    return str(row["state"])


def different_facts(vertex: Vertex, row: Any) -> list[str]:
    """What the engine says of a final step that the model does not."""
    wrong = [] if row["entry"] is None else [f"{vertex.name} is {vertex.state} and has an entry"]
    if vertex.role != "step":
        return wrong
    if row["not_needed"] != vertex.not_needed:
        wrong.append(f"{vertex.name}: not needed is {row['not_needed']}")
    if (row["began"], row["generation"]) != (vertex.began, vertex.generation):
        stored = f"began {row['began']}, generation {row['generation']}"
        wrong.append(f"{vertex.name}: {stored}; by the model {vertex.began}, {vertex.generation}")
    return wrong


def settlement(claimed: Claimed, end: str, vertex: Vertex) -> Settlement:
    result = json.dumps({"n": vertex.plan.value})
    match end:
        case "completed":
            outcome = Outcome("completed", result)
        case "joined":
            outcome = Outcome("joined", None)
        case _:
            outcome = Outcome(end, f"{vertex.name} says so")  # type: ignore[arg-type]  # one of the kinds
    return Settlement(claimed.step_id, claimed.token, outcome)
