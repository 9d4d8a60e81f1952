"""The model of groups that random workflows are compared with: what it says of each rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.model.group_plan import Graph, GroupPlan, IgnoreFlags, Node
from tests.model.group_rules import ABSENT, Prediction
from tests.model.random_groups import group_plans
from tests.model.sample_records import at


def predicted(*steps: Node, returns: str | None = None, order: str = "") -> Prediction:
    """The prediction for these steps if those in `order` end first, in that order."""
    group_plan = GroupPlan("made", Graph(steps, returns))
    times = {name: at(second) for second, name in enumerate(order.split())}
    return Prediction(group_plan, _Late(times))


class _Late(dict):
    def __missing__(self, _name):
        return at(1000)


def states(whole: Prediction) -> dict[str, str]:
    return {name: step.state for name, step in whole.steps().items()}


def a_map(*acts: str, **options) -> Node:
    return Node("m", "map", items=tuple(Node("", acts=(act,)) for act in acts), **options)


@pytest.mark.parametrize(
    ("acts", "becomes"),
    [
        ("return skip return", "completed"),
        ("skip skip", "skipped"),
        ("cancel raise return", "discarded"),
        ("cancel skip", "cancelled"),
    ],
)
def test_the_outcome_of_a_map_follows_from_its_children(acts, becomes):
    assert predicted(a_map(*acts.split())).steps()["m"].state == becomes


def test_a_map_has_the_results_that_exist_in_item_order():
    steps = predicted(a_map("return", "raise", "skip", "return")).steps()

    assert steps["m"].result == [steps["m[0]"].result, steps["m[3]"].result]


def test_a_map_over_no_list_is_discarded_and_over_no_result_is_empty():
    """No result: its source failed, and the map ignores that."""
    assert states(predicted(Node("a"), a_map("return", source="a"))) == {"a": "completed", "m": "discarded"}
    ignored = a_map("return", source="a", flags=IgnoreFlags(discarded=True))
    assert predicted(Node("a", acts=("raise",)), ignored).steps()["m"].result == []


def test_entry_steps_of_a_sub_workflow_inherit_dependencies_and_flags():
    inside = Graph((Node("x"), Node("y", deps=("x",))))

    plain = predicted(Node("a", acts=("raise",)), Node("g", "workflow", deps=("a",), inside=inside))
    ignoring = predicted(
        Node("a", acts=("raise",)), Node("g", "workflow", deps=("a",), inside=inside, flags=IgnoreFlags(discarded=True))
    )

    assert states(plain) == {"a": "discarded", "g": "cancelled", "g/x": "cancelled", "g/y": "cancelled"}
    assert states(ignoring) == {"a": "discarded", "g": "completed", "g/x": "completed", "g/y": "completed"}
    assert (plain.state(), ignoring.state()) == ("failed", "completed")


def test_names_in_a_returned_graph_mean_its_steps_then_the_outer_ones():
    """The outer ones are the dependencies of the step that returned it."""
    graph = Graph((Node("x", left="a"), Node("a"), Node("y", left="b")))
    whole = predicted(Node("a"), Node("b"), Node("t", deps=("a", "b"), acts=("graph",), inside=graph))

    steps = whole.steps()
    assert steps["t/x"].own_dependencies() == [steps["t/a"]]
    assert steps["t/y"].own_dependencies() == [steps["b"]]


def test_the_result_is_that_of_the_last_step_or_a_mapping_of_several():
    one = predicted(Node("g", "workflow", inside=Graph((Node("x"), Node("y", deps=("x",)))))).steps()
    two = predicted(Node("g", "workflow", inside=Graph((Node("x"), Node("y"))))).steps()

    assert one["g"].result == one["g/y"].result
    assert two["g"].result == {"x": two["g/x"].result, "y": two["g/y"].result}


def test_the_result_of_a_run_is_that_of_its_last_steps():
    """Those that were skipped are left out."""
    assert predicted(Node("a"), Node("b", acts=("skip",))).run_result()[1].keys() == {"a"}
    assert predicted(Node("a"), Node("b", acts=("raise",))).run_result() == ("discarded", None)
    assert predicted(Node("a", acts=("skip",)), Node("b"), returns="a").run_result() == ("skipped", None)


def test_the_first_unfavourable_dependency_decides():
    steps = (Node("a", acts=("skip",)), Node("b", acts=("cancel",)), Node("c", deps=("a", "b")))

    assert [states(predicted(*steps, order=order))["c"] for order in ("a b", "b a")] == ["skipped", "cancelled"]


@pytest.mark.parametrize("fault", ["cycle", "unknown", "empty", "twice"])
def test_a_graph_with_a_fault_discards_its_step_at_once(fault):
    step = predicted(Node("t", acts=(fault,))).steps()["t"]

    assert (step.state, step.attempts, step.result) == ("discarded", 1, ABSENT)


def nodes(graph: Graph) -> Iterator[Node]:
    for node in graph.steps:
        yield node
        yield from node.items
        for inside in (node.inside, *[item.inside for item in node.items]):
            if inside is not None:
                yield from nodes(inside)


def test_a_seed_draws_the_same_again_and_shows_every_behaviour():
    drawn = group_plans("7", 300)
    found = [node for group_plan in drawn for node in nodes(group_plan.whole)]

    assert drawn == group_plans("7", 300)
    assert group_plans("7/5", 1) == [drawn[5]]
    acts = Counter(act for node in found for act in node.acts)
    assert len(acts) == 12
    assert min(acts.values()) > 10
    assert {node.kind for node in found} == {"step", "map", "workflow"}
    assert {group_plan.cancels == () for group_plan in drawn if group_plan.cancels is not None} == {True, False}
