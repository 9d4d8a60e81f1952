"""The rules of groups as a small model: which steps there will be, how each ends, and with what result.

The only facts of the run that it needs are the times at which steps ended: the first failed dependency decides.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.model.group_plan import FAULTS, NOTHING, Graph, GroupPlan, Node, value_of

BEFORE = datetime(1, 1, 1, tzinfo=UTC)
ABSENT = object()
"""The result of what has none."""


@dataclass(slots=True, eq=False)
class PredictedStep:
    """A step that the run must have."""

    name: str
    local: str
    node: Node
    group: PredictedStep | None
    scope: Mapping[str, PredictedStep]
    """The step that each name in it means."""
    returned_by: PredictedStep | None = None
    """The step whose worker returned the graph with it; what it names outside of that graph ended before."""
    number: int | None = None
    """Of a child of a map."""
    is_entry: bool = False
    """It is an entry step: it waits for the dependencies of its group as well."""
    dependents: list[PredictedStep] = field(default_factory=list)
    children: list[PredictedStep] | None = None
    state: str = ""
    result: Any = ABSENT
    attempts: int | None = None
    """None where it does not matter."""

    def own_dependencies(self) -> list[PredictedStep]:
        """What it depends on by name."""
        return [] if self.number is not None else [self.scope[name] for name in self.node.named]

    def dependencies(self) -> list[PredictedStep]:
        inherited = self.group.dependencies() if self.is_entry and self.group is not None else []
        return list(dict.fromkeys([*self.own_dependencies(), *inherited]))

    def ignores(self, dependency: PredictedStep) -> bool:
        """Whether it counts this dependency as done, by its own flags where it names it, else by its group's."""
        verdicts = [self.node.flags.ignores(dependency.state)] if dependency in self.own_dependencies() else []
        if self.is_entry and self.group is not None and dependency in self.group.dependencies():
            verdicts.append(self.group.ignores(dependency))
        return all(verdicts)

    def does(self) -> Node:
        """The plan of what its worker does."""
        return self.node if self.number is None else self.node.items[self.number]

    def below(self) -> Iterator[PredictedStep]:
        """It and all that is below it."""
        yield self
        for child in self.children or ():
            yield from child.below()

    def graph(self) -> Graph | None:
        """The graph whose steps are its children, unless it is a map."""
        return self.does().inside


class Prediction:
    """How a workflow must end, given when its steps ended.

    Args:
        ended: when each step ended, by name.
        cancelled_by_test: the names of the steps that the test cancelled, with what was below them.
        began: the names of the steps that ever ran; left out, those that the model lets run.
    """

    def __init__(
        self,
        group_plan: GroupPlan,
        ended: Mapping[str, datetime],
        cancelled_by_test: frozenset[str] = frozenset(),
        began: Collection[str] | None = None,
    ) -> None:
        self._ended = ended
        self._cancelled_by_test = cancelled_by_test
        self._began = began
        self._done: dict[PredictedStep, bool] = {}
        self._whole = group_plan.whole
        self.top_level = self._static_steps(group_plan.whole, None, {})
        for step in self.top_level:
            self._end(step)

    def steps(self) -> dict[str, PredictedStep]:
        return {step.name: step for outermost in self.top_level for step in outermost.below()}

    def state(self) -> str:
        """The final state of the workflow, if it was not cancelled as a whole."""
        return "completed" if all(map(self._is_passing, self.top_level)) else "failed"

    def run_result(self) -> tuple[str, Any]:
        """What asking for the result of the run gives: "result" and the value, or the state of what has none."""
        roots = self._last_steps(self.top_level, self._whole.returns)
        if len(roots) == 1:
            return self._run_result_of(roots[0])
        found = {}
        for root in roots:
            if root.state == "skipped":
                continue
            kind, value = self._run_result_of(root)
            if kind != "result":
                return kind, None
            found[root.local] = value
        return "result", found

    def _run_result_of(self, step: PredictedStep) -> tuple[str, Any]:
        if step.state == "completed" and step.result is not ABSENT:
            return "result", step.result
        if step.state == "completed":
            graph = step.graph()
            assert graph is not None
            assert step.children is not None
            return self._run_result_of(self._last_steps(step.children, graph.returns)[0])
        return step.state, None

    # Which steps there are

    def _static_steps(
        self,
        graph: Graph,
        group: PredictedStep | None,
        outer: Mapping[str, PredictedStep],
        returned_by: PredictedStep | None = None,
    ) -> list[PredictedStep]:
        """The steps of a graph, and of those inside it, before anything has run."""
        prefix = "" if group is None else f"{group.name}/"
        inside: dict[str, PredictedStep] = {}
        scope = _Chained(inside, outer)
        for node in graph.steps:
            inside[node.name] = PredictedStep(
                f"{prefix}{node.name}", node.name, node, group, scope, returned_by=returned_by
            )
        steps = list(inside.values())
        for step in steps:
            is_static = group is not None and group.node.kind == "workflow"
            step.is_entry = is_static and not any(name in inside for name in step.node.named)
        for step in steps:
            if step.node.kind == "workflow":
                assert step.node.inside is not None
                step.children = self._static_steps(step.node.inside, step, scope, returned_by)
            else:
                for dependency in step.dependencies():
                    dependency.dependents.append(step)
        return steps

    # How each ends

    def _end(self, step: PredictedStep) -> None:
        if self._done.setdefault(step, False):
            return
        if step.node.kind == "workflow" and step.number is None:
            assert step.children is not None
            for child in step.children:
                self._end(child)
            self._join(step)
        else:
            for dependency in step.dependencies():
                self._end(dependency)
            self._run(step)
        if step.name in self._cancelled_by_test:
            step.state = "cancelled"
            step.attempts = None
        self._done[step] = True

    def _run(self, step: PredictedStep) -> None:
        ended_by = self._ended_by_dependencies(step)
        if step.name in self._cancelled_by_test:
            # It may have expanded before it was cancelled; then it has children.
            self._expand_as_observed(step)
        elif ended_by is not None:
            step.state = ended_by
            step.attempts = 0
        elif step.node.kind == "map" and step.number is None:
            self._expand_map(step)
        else:
            self._act(step)

    def _expand_as_observed(self, step: PredictedStep) -> None:
        if step.node.kind == "map" and step.number is None and f"{step.name}[0]" in self._ended:
            self._expand_map(step)
        elif (graph := step.graph()) is not None and f"{step.name}/{graph.steps[0].name}" in self._ended:
            self._return_graph(step, graph)

    def _ended_by_dependencies(self, step: PredictedStep) -> str | None:
        """The state in which its dependencies end it; None if they let it run."""
        unfavourable = [dependency for dependency in step.dependencies() if not step.ignores(dependency)]
        if not unfavourable:
            return None
        first = min(self._known_at(step, dependency) for dependency in unfavourable)
        deciding = [dependency for dependency in unfavourable if self._known_at(step, dependency) == first]
        return "skipped" if all(dependency.state == "skipped" for dependency in deciding) else "cancelled"

    def _known_at(self, step: PredictedStep, dependency: PredictedStep) -> datetime:
        """When a step learns of the end of another. A step of a returned graph learns of all outer ends at once."""
        is_outside = step.returned_by is not None and dependency.returned_by is not step.returned_by
        return BEFORE if is_outside else self._ended[dependency.name]

    def _expand_map(self, step: PredictedStep) -> None:
        node = step.node
        size = len(node.items)
        if node.source is not None:
            items = step.scope[node.source].result
            if items is ABSENT:
                size = 0
            elif isinstance(items, list):
                size = len(items)
            else:
                step.state = "discarded"
                return
        if size == 0:
            step.state, step.result = "completed", []
            return
        step.children = [
            PredictedStep(
                f"{step.name}[{number}]",
                f"{step.local}[{number}]",
                node,
                step,
                step.scope,
                returned_by=step.returned_by,
                number=number,
            )
            for number in range(size)
        ]
        for child in step.children:
            self._end(child)
        self._join(step)

    def _act(self, step: PredictedStep) -> None:
        plan = step.does()
        for attempt in range(1, plan.max_attempts + 1):
            step.attempts = attempt
            act = plan.act(attempt)
            if act in FAULTS:
                step.state = "discarded"
            elif act == "return":
                step.state, step.result = "completed", value_of(step.name, *self._given(step))
            elif act == "list":
                step.state, step.result = "completed", list(range(plan.size))
            elif act == "graph":
                assert plan.inside is not None
                self._return_graph(step, plan.inside)
            elif act in ("cancel", "skip"):
                step.state = {"cancel": "cancelled", "skip": "skipped"}[act]
            if step.state:
                return
        step.state = "discarded"

    def _given(self, step: PredictedStep) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        node = step.node
        seen = {name: step.scope[name].result for name in node.read if step.scope[name].result is not ABSENT}
        outcomes = {
            name: [step.scope[name].state, {child.local: child.state for child in step.scope[name].children or ()}]
            for name in node.read
        }
        return (NOTHING if node.left is None else seen.get(node.left, NOTHING)), seen, outcomes

    def _return_graph(self, step: PredictedStep, graph: Graph) -> None:
        outer = {name: step.scope[name] for name in step.node.named}
        step.children = self._static_steps(graph, step, outer, step)
        for child in step.children:
            self._end(child)
        self._join(step)

    # How a group ends

    def _is_passing(self, step: PredictedStep) -> bool:
        """Whether it fails nothing: it did not fail, or each dependent ignores that it did, and one of them began."""
        if step.state in ("completed", "skipped"):
            return True
        is_ignored = all(each.ignores(step) for each in step.dependents)
        return is_ignored and any(map(self._has_begun, step.dependents))

    def _has_begun(self, step: PredictedStep) -> bool:
        if step.children is not None:
            return any(map(self._has_begun, step.children))
        self._end(step)
        return bool(step.attempts) if self._began is None else step.name in self._began

    def _join(self, group: PredictedStep) -> None:
        assert group.children is not None
        failing = {child.state for child in group.children if not self._is_passing(child)}
        if failing:
            group.state = "discarded" if "discarded" in failing else "cancelled"
        else:
            group.state = "skipped" if all(child.state == "skipped" for child in group.children) else "completed"
        group.result = self._result(group, group.children)

    def _result(self, group: PredictedStep, children: Sequence[PredictedStep]) -> Any:
        if group.node.kind == "map" and group.number is None:
            return [child.result for child in children if child.result is not ABSENT]
        graph = group.graph()
        assert graph is not None
        last_steps = self._last_steps(children, graph.returns)
        if len(last_steps) == 1:
            return last_steps[0].result
        return {last.local: last.result for last in last_steps if last.result is not ABSENT}

    def _last_steps(self, children: Sequence[PredictedStep], returns: str | None) -> list[PredictedStep]:
        if returns is not None:
            return [child for child in children if child.local == returns]
        return [child for child in children if not has_dependents(child)]


class _Chained(Mapping[str, PredictedStep]):
    """A name means a step inside first, then one of the outer scopes."""

    def __init__(self, inside: Mapping[str, PredictedStep], outer: Mapping[str, PredictedStep]) -> None:
        self._scopes = (inside, outer)

    def __getitem__(self, name: str) -> PredictedStep:
        return next(scope for scope in self._scopes if name in scope)[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([name for scope in self._scopes for name in scope]))

    def __len__(self) -> int:
        return len(list(iter(self)))


def has_dependents(step: PredictedStep) -> bool:
    return bool(step.dependents)
