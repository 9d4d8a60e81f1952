"""The model of the rules that random workflows are compared with: what it says of each rule."""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.model.plan import Flags, Plan, StepPlan, given_to
from tests.model.random_graphs import CONTESTED_PLANS, SHAPES, plan, plans
from tests.model.rules import ended_by_dependency, own_ending, possible_states, workflow_state
from tests.model.sample_records import at, ended, made

IGNORING = Flags(cancelled=True, discarded=True, skipped=True)


# What the end of a dependency does to a dependent


@pytest.mark.parametrize(
    ("dependency", "dependent"),
    [("completed", None), ("cancelled", "cancelled"), ("discarded", "cancelled"), ("skipped", "skipped")],
)
def test_the_end_of_a_dependency_decides_the_end_of_its_dependent(dependency, dependent):
    graph = Plan("table", (StepPlan("a"), StepPlan("b", deps=("a",))))

    decided = ended_by_dependency(graph, graph.by_name["b"], made(ended("a", dependency, 1)))

    assert (decided and decided.state) == dependent
    assert decided is None or (decided.by, decided.at) == ({"a"}, at(1))


@pytest.mark.parametrize("state", ["cancelled", "discarded", "skipped"])
def test_a_dependent_that_ignores_an_end_counts_it_as_done(state):
    graph = Plan("table", (StepPlan("a"), StepPlan("b", deps=("a",), flags=Flags(**{state: True}))))

    assert ended_by_dependency(graph, graph.by_name["b"], made(ended("a", state, 1))) is None


@pytest.mark.parametrize("state", ["cancelled", "discarded", "skipped"])
def test_ignoring_the_two_other_ends_does_not_ignore_this_one(state):
    flags = replace(IGNORING, **{state: False})
    graph = Plan("table", (StepPlan("a"), StepPlan("b", deps=("a",), flags=flags)))

    assert ended_by_dependency(graph, graph.by_name["b"], made(ended("a", state, 1))) is not None


def test_a_flag_of_the_workflow_is_the_default_of_its_steps():
    steps = (StepPlan("a"), StepPlan("b", deps=("a",)), StepPlan("c", deps=("a",), flags=Flags(skipped=False)))
    graph = Plan("table", steps, flags=Flags(skipped=True))

    assert graph.ignores(graph.by_name["b"], "skipped")
    assert not graph.ignores(graph.by_name["c"], "skipped")


def test_the_first_unfavourable_dependency_to_end_decides():
    graph = Plan("first", (StepPlan("a"), StepPlan("b"), StepPlan("c", deps=("a", "b"))))

    decided = ended_by_dependency(graph, graph.by_name["c"], made(ended("a", "cancelled", 2), ended("b", "skipped", 1)))

    assert decided is not None
    assert (decided.state, decided.by) == ("skipped", {"b"})


def test_of_two_that_end_in_one_transaction_cancelled_comes_before_skipped():
    graph = Plan("together", (StepPlan("a"), StepPlan("b"), StepPlan("c", deps=("a", "b"))))

    decided = ended_by_dependency(graph, graph.by_name["c"], made(ended("a", "skipped", 1), ended("b", "discarded", 1)))

    assert decided is not None
    assert (decided.state, decided.by) == ("cancelled", {"b"})


# How a step ends by itself


@pytest.mark.parametrize(
    ("acts", "state", "attempts"),
    [
        (("return",), "completed", 1),
        (("raise", "return"), "completed", 2),
        (("retry", "overrun", "return"), "completed", 3),
        (("raise",), "discarded", 3),
        (("raise", "raise", "raise", "return"), "discarded", 3),
        (("cancel",), "cancelled", 1),
        (("raise", "skip"), "skipped", 2),
        (("raise", "fail"), "discarded", 2),
        (("fatal",), "discarded", 1),
    ],
)
def test_a_step_ends_by_what_it_does(acts, state, attempts):
    ending = own_ending(StepPlan("a", acts=acts, max_attempts=3))

    assert (ending.state, ending.attempts) == (state, attempts)


def test_a_snooze_spends_no_attempt():
    ending = own_ending(StepPlan("a", snoozes=2, max_attempts=1))

    assert [(start.attempt, start.act) for start in ending.starts] == [(1, "snooze"), (1, "snooze"), (1, "return")]
    assert ending.attempts == 1


def test_rounds_come_before_snoozes():
    ending = own_ending(StepPlan("a", rounds=1, snoozes=1, acts=("raise", "return")))

    assert [(start.attempt, start.act) for start in ending.starts] == [
        (1, "again"),
        (1, "snooze"),
        (1, "raise"),
        (2, "return"),
    ]


def test_a_lost_attempt_is_spent():
    once = own_ending(StepPlan("a", max_attempts=2), lost=frozenset({1}))
    twice = own_ending(StepPlan("a", max_attempts=2), lost=frozenset({1, 2}))

    assert (once.state, once.attempts) == ("completed", 2)
    assert (twice.state, [start.attempt for start in twice.failures]) == ("discarded", [1, 2])


# How a workflow ends


@pytest.mark.parametrize("state", ["discarded", "cancelled"])
@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], "failed"),
        ([IGNORING], "completed"),
        ([IGNORING, IGNORING], "completed"),
        ([IGNORING, Flags()], "failed"),
    ],
)
def test_a_failure_is_ignored_if_it_has_dependents_and_all_ignore_it(state, flags, expected):
    dependents = tuple(StepPlan(f"b{n}", deps=("a",), flags=each) for n, each in enumerate(flags))
    states = {"a": state} | {step.name: "skipped" for step in dependents}
    plan = Plan("ignored", (StepPlan("a"), *dependents))

    assert workflow_state(plan, states, began={step.name for step in dependents}) == expected


def test_a_failure_is_not_forgiven_by_dependents_that_never_began():
    plan = Plan("ignored", (StepPlan("a"), StepPlan("b", deps=("a",), flags=IGNORING)))

    assert workflow_state(plan, {"a": "discarded", "b": "skipped"}, began={"a"}) == "failed"


def test_a_workflow_of_completed_and_skipped_steps_is_completed():
    plan = Plan("two", (StepPlan("a"), StepPlan("b")))

    assert workflow_state(plan, {"a": "completed", "b": "skipped"}, {"a", "b"}) == "completed"


def test_a_workflow_that_was_cancelled_as_a_whole_is_cancelled():
    assert (
        workflow_state(Plan("whole", (StepPlan("a"),)), {"a": "cancelled"}, (), is_cancelled_as_a_whole=True)
        == "cancelled"
    )


# What is predicted before the run


def test_one_state_is_possible_where_no_order_decides():
    steps = (
        StepPlan("fails", acts=("raise",)),
        StepPlan("below", deps=("fails",)),
        StepPlan("further", deps=("below",)),
        StepPlan("ignores", deps=("below",), flags=Flags(cancelled=True)),
        StepPlan("apart"),
    )

    assert possible_states(Plan("cascade", steps)) == {
        "fails": {"discarded"},
        "below": {"cancelled"},
        "further": {"cancelled"},
        "ignores": {"completed"},
        "apart": {"completed"},
    }


def test_both_states_are_possible_where_the_order_decides():
    steps = (StepPlan("a", acts=("skip",)), StepPlan("b", acts=("cancel",)), StepPlan("c", deps=("a", "b")))

    assert possible_states(Plan("race", steps))["c"] == {"cancelled", "skipped"}


def test_none_is_a_result_and_an_ignored_failure_gives_the_default():
    step = StepPlan("c", left="a", right="b", several=("a", "b"), flags=IGNORING)

    assert given_to(step, {"a": None}) == {
        "left": None,
        "right": "no right",
        "several": {"all": [7, None], "last": {"is": None}},
        "seen": {"a": None},
    }


# The workflows that are drawn


def test_a_seed_draws_the_same_workflows_again_and_a_label_one_of_them():
    drawn = plans("7", 20)

    assert drawn == plans("7", 20)
    assert drawn != plans("8", 20)
    assert [plans(each.label, 20) for each in drawn] == [[each] for each in drawn]
    assert len(drawn) == 20 + 2 * len(SHAPES) + CONTESTED_PLANS


def test_what_is_drawn_can_be_predicted_and_shows_every_behaviour():
    drawn = [each for seed in ("1", "2") for each in plans(seed, 200)]
    acts = Counter(act for each in drawn for step in each.steps for act in step.acts)
    states = Counter(state for each in drawn for possible in possible_states(each).values() for state in possible)
    workers = {step.worker for each in drawn for step in each.steps}

    assert acts.keys() == {"return", "raise", "retry", "cancel", "skip", "fail", "fatal", "overrun", "hang"}
    assert states.keys() == {"completed", "cancelled", "discarded", "skipped"}
    assert min(states.values()) > 500
    assert workers == {"act", "act_in_thread", "act_in_process", "act_plainly"}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_without_failures_is_predicted_to_complete(shape):
    assert set(possible_states(plan(f"1/{shape}")).values()) == {frozenset({"completed"})}


def test_the_model_shares_no_code_with_the_package():
    files = sorted(file for file in Path(__file__).parent.glob("*.py") if not file.name.startswith("test_"))
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    imported = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    imported |= {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}

    assert len(files) == 15
    assert {name for name in imported if name is None or name.split(".")[0] == "baton"} == set()
