"""The rules of endings as a small model: it takes the events of a run one by one, and says what becomes of each step.

It follows docs/graphs.md and docs/design.md, and shares no code with the engine that it checks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from tests.model.ending_conditions import holds
from tests.model.ending_graph import (
    OBSERVED,
    UNFAVOURABLE,
    Vertex,
    does_without,
    grown,
    has_undo,
    items_of,
    ordered,
    returned_by,
    undo_of,
)
from tests.model.ending_plan import EndPlan


class Machine:
    """A workflow between its insertion and its end."""

    def __init__(self, plan: EndPlan) -> None:
        self.vertices = grown(plan.whole)
        self.place = {vertex: n for n, vertex in enumerate(self.vertices)}
        self.undos: list[Vertex] = []
        """The undos that were written, and the gates behind those of one map."""
        self.state = "executing"
        self.ending: str | None = None
        self.unended: set[tuple[Vertex, int]] = set()
        """The claims that became void while their attempt ran, each with its number."""
        self.now = 0
        self.has_closing = any(vertex.role == "end" or vertex.runs or has_undo(vertex) for vertex in self.vertices)
        self._release([vertex for vertex in self.vertices if not vertex.edges and vertex.children is None])

    def by_name(self) -> dict[str, Vertex]:
        """All steps by name."""
        return {vertex.name: vertex for vertex in (*self.vertices, *self.undos)}

    def _top(self) -> list[Vertex]:
        return [vertex for vertex in (*self.vertices, *self.undos) if vertex.group is None]

    # Events

    def claim(self, vertex: Vertex) -> None:
        assert vertex.state == "ready", f"{vertex} was claimed"
        vertex.state = "running"

    def settle(self, ends: Mapping[Vertex, str]) -> None:
        """Attempts end, in one transaction; a group whose children are final is "joined"."""
        self.now += 1
        for vertex, end in ends.items():
            if end == "joined":
                self._end(vertex, self._outcome_of(vertex))
                continue
            vertex.began = True
            self._end(vertex, end)
            if vertex.undoes is not None and end == "completed":
                vertex.undoes.began = False
                vertex.undoes.generation += 1
        self._spread(list(ends))

    def expand(self, vertex: Vertex) -> None:
        """A worker returned a graph, or a map has its items."""
        self.now += 1
        vertex.state = "waiting"
        if vertex.plan.kind == "graph":
            vertex.began = True
            added = returned_by(vertex)
        else:
            added = items_of(vertex)
        for one in added:
            one.generation = vertex.generation
            self.place[one] = len(self.place)
            self.vertices.append(one)
        self.has_closing = self.has_closing or any(
            one.role == "end" or one.runs is not None or has_undo(one) for one in added
        )
        causes = {outer for one in added for outer in one.edges if outer not in added and outer.state in UNFAVOURABLE}
        ended = self._cascade(ordered(causes, self.place))
        released = [one for one in added if one.state == "waiting" and one.needs is None and self._is_ripe(one)]
        for one in added:
            if one.needs is not None and any(outer not in added for outer in one.edges):
                ended += self._judge_need(one, released)
        ended += self._decide(released)
        self._spread(ended, self._cancel_rests(released))

    def attempt_ended(self, vertex: Vertex, number: int) -> None:
        """What still ran under a void claim has ended."""
        if (vertex, number) not in self.unended:
            return
        self.now += 1
        self.unended.discard((vertex, number))
        waiting = [one for one in self.by_name().values() if one.awaits_attempts]
        for one in waiting:
            one.awaits_attempts = False
        self._spread([], self._decide(waiting))

    def cancel(self, names: Collection[str] = (), *, force: bool = False, attempts: Mapping[Vertex, int]) -> None:
        """Cancel the run, or the named steps with all below them. `attempts` numbers what runs."""
        steps = self.by_name().values()
        if names:
            named = [below for one in steps if one.name in names and not one.is_final for below in one.below()]
            chosen = {one for one in named if not one.is_final and (force or not one.is_closing or one.name in names)}
        else:
            chosen = {one for one in steps if not one.is_final and (force or not one.is_closing)}
        held = set()
        if not force:
            # A group below which something still cleans up stays open until that is final.
            closing = [one for one in steps if one.is_closing and not one.is_final]
            held = {group for one in closing for group in one.around()} & chosen
        if not chosen:
            return
        self.now += 1
        for group in held:
            group.ending = group.ending or "cancelled"
        cancelled = ordered(chosen - held, self.place_of_all())
        for one in cancelled:
            if one.state == "running" and one.children is None:
                one.began = True
                if self.has_closing:
                    self.unended.add((one, attempts[one]))
            self._end(one, "cancelled")
        if names:
            self._spread(cancelled)
        elif force or not self.has_closing:
            self.state, self.ending = "cancelled", None
        else:
            self.ending = self.ending or "cancelled"
            self._spread(cancelled)

    def place_of_all(self) -> dict[Vertex, int]:
        return {vertex: n for n, vertex in enumerate((*self.vertices, *self.undos))}

    # What follows from ends

    def _end(self, vertex: Vertex, state: str, *, not_needed: bool = False) -> None:
        vertex.state = state  # type: ignore[assignment]  # one of the final states
        vertex.ended = self.now
        vertex.not_needed = not_needed
        vertex.awaits_attempts = False

    def _spread(self, wave: list[Vertex], more: list[Vertex] | None = None) -> None:
        """Apply the consequences of steps that became final in this transaction."""
        final = [*wave, *(more or ())]
        wave = list(final)
        while wave:
            ended = self._cascade(wave)
            final += ended
            wave += ended
            touched = ordered({one for cause in wave for one in cause.dependents}, self.place_of_all())
            touched = [one for one in touched if one.is_undecided]
            ended = []
            released = [one for one in touched if one.needs is None and self._is_ripe(one)]
            for one in [one for one in touched if one.needs is not None]:
                ended += self._judge_need(one, released)
            wave = [*ended, *self._decide(ordered(released, self.place_of_all()))]
            wave += self._cancel_rests(released)
            final += wave
        for group in {one.group for one in final if one.group is not None}:
            if group.state == "waiting" and all(child.is_final for child in group.children or ()):
                group.state = "ready"
        if self.state == "executing" and all(one.is_final for one in self.by_name().values()):
            self._finish()

    def _cascade(self, wave: Iterable[Vertex]) -> list[Vertex]:
        """End what cannot run any more; cancelled comes before skipped."""
        ended: list[Vertex] = []
        for verdict in ("cancelled", "skipped"):
            for root in [one for one in wave if one.state in UNFAVOURABLE]:
                if (root.state == "skipped") != (verdict == "skipped"):
                    continue
                below = [root]
                for cause in below:
                    for one in cause.dependents:
                        if self._is_kept_by(one, cause):
                            self._end(one, verdict, not_needed=root.not_needed)
                            below.append(one)
                            ended.append(one)
        return ended

    def _is_kept_by(self, one: Vertex, cause: Vertex) -> bool:
        is_open = one.state == "waiting" and one.children is None and one.needs is None
        return is_open and not one.edge_to(cause).counts_as_done(cause.state)

    def _is_ripe(self, one: Vertex) -> bool:
        """Whether nothing is pending for it."""
        return one.children is None and all(
            cause.is_final and edge.counts_as_done(cause.state) for cause, edge in one.edges.items()
        )

    def _judge_need(self, one: Vertex, released: list[Vertex]) -> list[Vertex]:
        """Release a step that needs some of its dependencies, or end it; return what ended."""
        if one.state != "waiting" or one.needs is None:
            return []
        counted = [cause for cause, edge in one.edges.items() if not edge.observes]
        if gates := [cause for cause in counted if cause.role == "gate"]:
            counted.remove(gates[0])
            if gates[0].state in UNFAVOURABLE:
                self._end(one, "skipped" if gates[0].state == "skipped" else "cancelled")
                return [one]
        completed = [cause for cause in counted if cause.state == "completed"]
        missing = [cause for cause in counted if cause.is_final and cause.state != "completed"]
        if len(counted) - len(missing) < one.needs:
            failed = any(cause.state in ("discarded", "cancelled") for cause in missing)
            self._end(one, "cancelled" if failed else "skipped")
            return [one]
        watched = gates + [cause for cause, edge in one.edges.items() if edge.observes]
        if len(completed) < one.needs or not all(cause.is_final for cause in watched):
            return []
        one.frozen = frozenset(cause.local for cause in (*completed, *watched) if cause.state == "completed")
        released.append(one)
        return []

    def _cancel_rests(self, released: Iterable[Vertex]) -> list[Vertex]:
        """End what those of these steps that start now no longer need, and undo what of that had begun."""
        ended: list[Vertex] = []
        for one in ordered([one for one in released if one.needs is not None], self.place_of_all()):
            starts = one.state == "ready" or (one.role == "gate" and one.state == "completed")
            if starts and one.decider is not None and one.decider.cancels_rest:
                ended += self._cancel_rest(one)
        if written := self._write_undos(None, ended):
            self._decide([undo for undo in written if not undo.edges])
        return ended

    def _cancel_rest(self, consumer: Vertex) -> list[Vertex]:
        """End what nobody needs any more now that this step has what it needs, level by level."""
        unneeded: list[Vertex] = []
        level = [consumer]
        while level:
            above = {cause for one in level for below in one.below() for cause in below.edges}
            level = [
                cause
                for cause in ordered(above, self.place_of_all())
                if not cause.is_final
                and cause.is_ordinary
                and cause not in unneeded
                and cause is not consumer
                and all(does_without(one, cause, consumer, unneeded) for one in cause.dependents)
            ]
            unneeded += [below for one in level for below in one.below()]
        chosen = [one for one in unneeded if not one.is_final and not one.is_closing]
        for one in chosen:
            if one.state == "running" and one.children is None:
                one.began = True
                self.unended.add((one, self.attempts[one]))
            self._end(one, "cancelled", not_needed=True)
        return chosen

    attempts: Mapping[Vertex, int] = {}
    """The number of the claim under which each step runs; given from outside."""

    # What is decided when nothing is pending

    def _decide(self, ripe: list[Vertex]) -> list[Vertex]:
        """Release these steps, unless something decides otherwise; return those that are final now."""
        return [one for one in ripe if self._is_ended_by_decision(one)]

    def _release(self, ripe: list[Vertex]) -> None:
        self._spread([], self._decide(ripe))

    def _is_ended_by_decision(self, one: Vertex) -> bool:
        when = one.decider.when if one.decider is not None else None
        if when is not None and (held := holds(when, one.scope)) is not True:
            self._end(one, "skipped" if held is False else "discarded")
        elif one.runs is not None and self._has_nothing_to_clean_up(one):
            self._end(one, "skipped")
        elif (one.runs is not None or one.role == "undo") and self._may_still_run(one):
            one.awaits_attempts = True
        elif one.role == "gate":
            self._end(one, "completed")
        elif one.role == "end":
            return self._end_scope(one)
        else:
            one.state = "ready"
        return one.is_final

    def _has_nothing_to_clean_up(self, one: Vertex) -> bool:
        group = one.group.group if one.role == "gate" and one.group is not None else one.group
        if group is not None and not any(below.has_code_begun for below in group.below() if not below.is_closing):
            return True
        if one.runs == "always":
            return False
        for cause in one.edges:
            if cause.role == "end":
                if cause.verdict != "completed":
                    return False
            elif cause.state == "discarded" or (cause.state == "cancelled" and not cause.not_needed):
                return False
        return True

    def _may_still_run(self, one: Vertex) -> bool:
        """Whether an attempt may still run of what it cleans up."""
        if one.role == "undo":
            over = set() if one.undoes is None else set(one.undoes.below())
        else:
            over = {below for cause in one.edges for below in cause.below()}
            for end in [cause for cause in one.edges if cause.role == "end"]:
                over |= set(self.by_name().values()) if end.group is None else set(end.group.below())
        return any(vertex in over for vertex, _ in self.unended)

    def _end_scope(self, end: Vertex) -> bool:
        end.verdict = self._verdict_before(end)
        if end.group is None and end.verdict != "completed":
            written = self._write_undos(end)
            if written:
                self._decide([undo for undo in written if not undo.edges])
                return False
        self._end(end, "completed")
        return True

    # How a scope ends

    def _is_forgiven(self, one: Vertex) -> bool:
        """Whether its bad end fails nothing: each dependent ignores it, and one of these began."""
        judges = [dependent for dependent in one.dependents if not dependent.edge_to(one).observes]
        return any(judge.has_begun() for judge in judges) and all(
            judge.needs is not None or judge.edge_to(one).counts_as_done(one.state) for judge in judges
        )

    def _bad_ends(self, scope: Iterable[Vertex]) -> list[Vertex]:
        return [
            one
            for one in scope
            if one.state in ("discarded", "cancelled") and not one.not_needed and not self._is_forgiven(one)
        ]

    def _outcome_of(self, group: Vertex) -> str:
        if group.ending is not None:
            return group.ending
        children = group.children or []
        if bad := self._bad_ends(children):
            return "discarded" if any(one.state == "discarded" for one in bad) else "cancelled"
        counted = [child for child in children if child.role == "step" and not child.is_closing_step]
        return "skipped" if all(child.state == "skipped" for child in counted) else "completed"

    def _verdict(self) -> str:
        """How the run ended: completed, failed or cancelled."""
        return self.ending or ("failed" if self._bad_ends(self._top()) else "completed")

    def _verdict_before(self, end: Vertex) -> str:
        """How a scope ended so far. What waits for its `end` is not counted: it cleans up after that."""
        decided = self.ending if end.group is None else end.group.ending
        if decided is not None:
            return decided
        scope = self._top() if end.group is None else end.group.children or []
        return "failed" if self._bad_ends(one for one in scope if one not in end.dependents) else "completed"

    def _finish(self) -> None:
        verdict = self._verdict()
        if verdict != "completed" and (written := self._write_undos(None)):
            self.ending = self.ending or verdict
            self._decide([undo for undo in written if not undo.edges])
            return
        self.state = verdict

    def _write_undos(self, end: Vertex | None, only: Collection[Vertex] | None = None) -> list[Vertex]:
        """Write the undos of all that began and is not undone yet, or of some of it, the last to end first."""
        undone = {undo.undoes for undo in self.undos}
        armed = [
            one
            for one in self.vertices
            if has_undo(one) and one.began and one.is_final and one not in undone and not self._is_in_forgiven(one)
            if only is None or one in only
        ]
        together: dict[Vertex, list[Vertex]] = {}
        for one in armed:
            key = one.group if one.number is not None and one.group is not None else one
            together.setdefault(key, []).append(one)
        levels = sorted(
            together.items(), key=lambda level: (max(one.ended for one in level[1]), self.place[level[0]]), reverse=True
        )
        written: list[Vertex] = []
        before: list[Vertex] = []
        for _, members in levels:
            level = [undo_of(one) for one in members]
            for undo in level:
                undo.edges = dict.fromkeys(before, OBSERVED)
                for cause in before:
                    cause.dependents.append(undo)
            before = level
            written += level
        if end is not None:
            for cause in before:
                cause.dependents.append(end)
                end.edges[cause] = OBSERVED
        self.undos += written
        return written

    def _is_in_forgiven(self, one: Vertex) -> bool:
        return any(group.state in ("discarded", "cancelled") and self._is_forgiven(group) for group in one.around())
