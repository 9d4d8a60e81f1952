"""The drawing of a workflow as a tree: each step once, and never more than can be read or computed."""

from __future__ import annotations

import random
import time

import pytest

from baton.cli.tree import DEEPEST, FoldLine, StepLine, tree
from baton.database.step_records import StepRecord


def step(name, *dependencies, state="completed", errors=(), grouping=None, children=()):
    return StepRecord(
        name=name,
        state=state,
        worker="work",
        queue="default",
        priority=0,
        attempt=1,
        max_attempts=20,
        pending=0,
        dependencies=dependencies,
        args={},
        result=None,
        reason=None,
        errors=errors,
        pool=1,
        scheduled_at=None,
        attempted_at=None,
        finished_at=None,
        grouping=grouping,
        children=children,
    )


def drawn(steps, **options):
    """The lines as text: rails, name and what it comes after; folds as their figures."""
    lines = []
    for line in tree(steps, **options):
        match line:
            case StepLine():
                after = f" after {', '.join(line.after)}" if line.after else ""
                lines.append(f"{line.rails}{line.step.name}{after}")
            case FoldLine():
                lines.append(f"{line.rails}({line.siblings} {line.state}, {line.steps} steps)")
    return lines


def test_a_chain_goes_down_to_the_right():
    assert drawn([step("a"), step("b", "a"), step("c", "b")]) == ["a", "└─ b", "   └─ c"]


def test_a_step_with_several_dependencies_is_drawn_once():
    """It names the dependencies below which it is not drawn."""
    diamond = [step("a"), step("b", "a"), step("c", "a"), step("d", "b", "c")]

    assert drawn(diamond) == ["a", "├─ b", "└─ c", "   └─ d after b"]


def test_a_step_is_drawn_below_its_dependency_furthest_from_the_start():
    steps = [step("a"), step("b", "a"), step("late"), step("end", "b", "late")]

    assert drawn(steps) == ["a", "└─ b", "   └─ end after late", "late"]


def test_a_dependency_may_have_been_added_later():
    assert drawn([step("b", "a"), step("a")]) == ["a", "└─ b"]


def test_rails_go_past_the_branches_of_elder_siblings():
    steps = [step("a"), step("b", "a"), step("c", "b"), step("d", "a")]

    assert drawn(steps) == ["a", "├─ b", "│  └─ c", "└─ d"]


def test_siblings_that_look_alike_are_folded_with_all_below_them():
    pairs = [one for n in range(50) for one in (step(f"x{n}", "a"), step(f"y{n}", f"x{n}"))]

    assert drawn([step("a"), *pairs]) == [
        "a",
        "├─ x0",
        "│  └─ y0",
        "├─ x1",
        "│  └─ y1",
        "├─ x2",
        "│  └─ y2",
        "└─ (47 completed, 94 steps)",
    ]


def test_a_failed_step_is_not_folded():
    steps = [step("a"), *[step(f"x{n}", "a", state="discarded" if n == 30 else "completed") for n in range(50)]]

    assert "├─ x30" in drawn(steps)


def test_nothing_is_folded_when_all_are_asked_for():
    steps = [step("a"), *[step(f"x{n}", "a") for n in range(50)]]

    assert len(drawn(steps, is_folded=False)) == 51


def test_below_some_depth_steps_name_their_dependencies_instead():
    chain = [step("0"), *[step(str(n), str(n - 1)) for n in range(1, 40)]]

    lines = drawn(chain)

    assert len(lines) == 40
    assert lines[-1].endswith("39 after 38")
    assert max(map(len, lines)) < 3 * DEEPEST + 20


def random_graph(seed, size):
    chance = random.Random(seed)
    return [step(str(n), *{str(chance.randrange(n)) for _ in range(3) if n}) for n in range(size)]


@pytest.mark.parametrize("seed", range(20))
def test_every_step_of_any_graph_is_drawn_exactly_once(seed):
    steps = random_graph(seed, 200)

    names = [line.step.name for line in tree(steps, is_folded=False) if isinstance(line, StepLine)]

    assert sorted(names, key=int) == [one.name for one in steps]


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param(random_graph(1, 10_000), id="random"),
        pytest.param([step("0"), *[step(str(n), str(n - 1)) for n in range(1, 10_000)]], id="chain"),
        pytest.param([step(str(n)) for n in range(10_000)], id="wide"),
        pytest.param([*[step(str(n)) for n in range(9_999)], step("end", *map(str, range(9_999)))], id="into one"),
        pytest.param(
            [step("0"), *[step(str(n), str((n - 1) // 3 * 3)) for n in range(1, 10_000)]],
            id="branching at each level",
        ),
    ],
)
def test_ten_thousand_steps_are_drawn_in_little_time_and_space(steps):
    began = time.monotonic()

    lines = drawn(steps, is_folded=False)

    assert time.monotonic() - began < 3
    assert len(lines) == 10_000
    assert sum(len(line) for line in lines) < 2_000_000


def of_children(count, grouping, name="g"):
    pattern = f"{name}[{{}}]" if grouping == "map" else f"{name}/{{}}"
    return step(name, grouping=grouping, children=[step(pattern.format(n)) for n in range(count)])


def test_a_map_is_one_line_until_it_is_opened():
    group = of_children(3, "map")
    assert [line.is_closed for line in tree([group])] == [True]
    assert names(tree([group], opened=["g"])) == ["g", "g[0]", "g[1]", "g[2]"]
    assert names(tree([group], opened=["g[1]"])) == ["g", "g[0]", "g[1]", "g[2]"]
    assert names(tree([group], opened=["other"])) == ["g"]


def test_a_small_workflow_is_drawn_open_and_a_large_one_is_not():
    assert len(tree([of_children(10, "workflow")])) == 11
    assert len(tree([of_children(11, "graph")])) == 1
    assert len(tree([of_children(11, "graph")], is_folded=False)) == 12


def test_children_have_rails_of_their_own_before_what_depends_on_the_group():
    inner = step("g/h", grouping="workflow", children=[step("g/h/x"), step("g/h/y", "g/h/x", "a")])
    group = step("g", "a", grouping="workflow", children=[inner, step("g/z", "g/h")])
    lines = tree([step("a"), group, step("after", "g")])
    assert [f"{line.rails}{line.step.name}" for line in lines] == [
        "a",
        "└─ g",
        "   ┊  g/h",
        "   ┊  ┊  g/h/x",
        "   ┊  ┊  └─ g/h/y",
        "   ┊  └─ g/z",
        "   └─ after",
    ]


def test_nested_groups_are_drawn_without_recursion():
    group = step("x")
    for _ in range(2_000):
        group = step("g", grouping="graph", children=[group])
    assert len(tree([group])) == 2_001


def names(lines):
    return [line.step.name for line in lines]
