"""The model of the rules that random workflows are compared with: what it says, and that it notices what is wrong."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.model.behaviour import BY_HAND, DEFAULTS, Cancellation, Flags, Plan, StepPlan, given_to, value_of
from tests.model.checking import Observed, overcrowded, violations
from tests.model.graphs import SHAPES, plan, plans
from tests.model.rules import doom, foretold, own_ending, workflow_state

IGNORING = Flags(cancelled=True, discarded=True, skipped=True)
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Made:
    """A record written by hand."""

    name: str
    state: str
    finished_at: datetime | None
    attempt: int = 0
    attempted_at: datetime | None = None
    dependencies: Sequence[str] = ()
    result: Any = None
    reason: str | None = None
    errors: Sequence[Mapping[str, Any]] = ()
    queue: str = "default"
    pending: int = 0
    pool: int | None = None


def at(second: float) -> datetime:
    return NOON + timedelta(seconds=second)


def made(*records):
    return {record.name: record for record in records}


def ended(name, state, second):
    return Made(name, state, at(second))


def started_and_ended(step, act, attempt=1, **given):
    facts = {"workflow": "w", "step": step, "attempt": attempt, "queue": "default", "pool": 1}
    given = {**DEFAULTS, "seen": {}, **given}
    return [facts | {"event": "start", "given": given}, facts | {"event": "end", "act": act}]


# How a dependency's end acts on its dependent


@pytest.mark.parametrize(
    ("dependency", "dependent"),
    [("completed", None), ("cancelled", "cancelled"), ("discarded", "cancelled"), ("skipped", "skipped")],
)
def test_a_dependency_that_ended_decides_what_becomes_of_its_dependent(dependency, dependent):
    graph = Plan("table", (StepPlan("a"), StepPlan("b", deps=("a",))))

    decided = doom(graph, graph.by_name["b"], made(ended("a", dependency, 1)))

    assert (decided and decided.state) == dependent
    assert decided is None or (decided.by, decided.at) == ({"a"}, at(1))


@pytest.mark.parametrize("state", ["cancelled", "discarded", "skipped"])
def test_a_dependent_that_ignores_an_end_counts_it_as_done(state):
    graph = Plan("table", (StepPlan("a"), StepPlan("b", deps=("a",), flags=Flags(**{state: True}))))

    assert doom(graph, graph.by_name["b"], made(ended("a", state, 1))) is None


@pytest.mark.parametrize("state", ["cancelled", "discarded", "skipped"])
def test_a_dependent_that_ignores_the_two_other_ends_does_not_ignore_this_one(state):
    flags = replace(IGNORING, **{state: False})
    graph = Plan("table", (StepPlan("a"), StepPlan("b", deps=("a",), flags=flags)))

    assert doom(graph, graph.by_name["b"], made(ended("a", state, 1))) is not None


def test_a_flag_of_the_workflow_holds_for_steps_that_have_none_of_their_own():
    steps = (StepPlan("a"), StepPlan("b", deps=("a",)), StepPlan("c", deps=("a",), flags=Flags(skipped=False)))
    graph = Plan("table", steps, flags=Flags(skipped=True))

    assert graph.ignores(graph.by_name["b"], "skipped")
    assert not graph.ignores(graph.by_name["c"], "skipped")


def test_the_first_unfavourable_dependency_to_end_decides():
    graph = Plan("first", (StepPlan("a"), StepPlan("b"), StepPlan("c", deps=("a", "b"))))

    decided = doom(graph, graph.by_name["c"], made(ended("a", "cancelled", 2), ended("b", "skipped", 1)))

    assert decided is not None
    assert (decided.state, decided.by) == ("skipped", {"b"})


def test_of_two_that_end_in_one_transaction_cancelled_comes_before_skipped():
    graph = Plan("together", (StepPlan("a"), StepPlan("b"), StepPlan("c", deps=("a", "b"))))

    decided = doom(graph, graph.by_name["c"], made(ended("a", "skipped", 1), ended("b", "discarded", 1)))

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
    ],
)
def test_what_a_step_does_says_how_it_ends(acts, state, attempts):
    ending = own_ending(StepPlan("a", acts=acts, max_attempts=3))

    assert (ending.state, ending.attempts) == (state, attempts)


def test_a_snooze_spends_no_attempt():
    ending = own_ending(StepPlan("a", snoozes=2, max_attempts=1))

    assert [(start.attempt, start.act) for start in ending.starts] == [(1, "snooze"), (1, "snooze"), (1, "return")]
    assert ending.attempts == 1


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
def test_a_failure_is_forgiven_if_each_of_at_least_one_dependents_ignores_it(state, flags, expected):
    dependents = tuple(StepPlan(f"b{n}", deps=("a",), flags=each) for n, each in enumerate(flags))
    states = {"a": state} | {step.name: "skipped" for step in dependents}

    assert workflow_state(Plan("forgiven", (StepPlan("a"), *dependents)), states) == expected


def test_a_workflow_of_completed_and_skipped_steps_is_completed():
    assert (
        workflow_state(Plan("mild", (StepPlan("a"), StepPlan("b"))), {"a": "completed", "b": "skipped"}) == "completed"
    )


def test_a_workflow_that_was_cancelled_as_a_whole_is_cancelled():
    assert (
        workflow_state(Plan("whole", (StepPlan("a"),)), {"a": "cancelled"}, is_cancelled_as_a_whole=True) == "cancelled"
    )


# What is known beforehand


def test_one_state_is_foretold_where_no_order_decides():
    steps = (
        StepPlan("fails", acts=("raise",)),
        StepPlan("below", deps=("fails",)),
        StepPlan("further", deps=("below",)),
        StepPlan("ignores", deps=("below",), flags=Flags(cancelled=True)),
        StepPlan("apart"),
    )

    assert foretold(Plan("cascade", steps)) == {
        "fails": {"discarded"},
        "below": {"cancelled"},
        "further": {"cancelled"},
        "ignores": {"completed"},
        "apart": {"completed"},
    }


def test_both_states_are_foretold_where_the_order_decides():
    steps = (StepPlan("a", acts=("skip",)), StepPlan("b", acts=("cancel",)), StepPlan("c", deps=("a", "b")))

    assert foretold(Plan("race", steps))["c"] == {"cancelled", "skipped"}


def test_a_result_of_none_is_given_and_an_ignored_failure_gives_the_default():
    step = StepPlan("c", left="a", right="b", several=("a", "b"), flags=IGNORING)

    assert given_to(step, {"a": None}) == {
        "left": None,
        "right": "no right",
        "several": "no several",
        "seen": {"a": None},
    }


# What the comparison notices


PAIR = Plan("pair", (StepPlan("a", acts=("raise", "return")), StepPlan("b", left="a")))


def well_run() -> Observed:
    """The workflow PAIR as it must be."""
    a = value_of("a", "digest", given_to(PAIR.by_name["a"], {}))
    given = given_to(PAIR.by_name["b"], {"a": a})
    error = {"attempt": 1, "kind": "failed", "error": "Boom: a fails in attempt 1"}
    return Observed(
        PAIR,
        "completed",
        made(
            Made("a", "completed", at(2), attempt=2, attempted_at=at(1), result=a, errors=[error]),
            Made(
                "b",
                "completed",
                at(4),
                attempt=1,
                attempted_at=at(3),
                result=value_of("b", "digest", given),
                dependencies=["a"],
            ),
        ),
        [
            *started_and_ended("a", "raise"),
            *started_and_ended("a", "return", attempt=2),
            *started_and_ended("b", "return", **given),
        ],
    )


def with_record(observed: Observed, name: str, **changes: Any) -> Observed:
    return replace(observed, records={**observed.records, name: replace(observed.records[name], **changes)})


def test_a_workflow_that_is_as_it_must_be_has_no_violation():
    assert violations(well_run()) == []


@pytest.mark.parametrize(
    ("changes", "noticed"),
    [
        ({"state": "executing", "finished_at": None}, "is executing, which is not final"),
        ({"state": "skipped", "result": None}, "by what it does it is completed"),
        ({"result": "another"}, "it returned"),
        ({"result": None}, "has the result None"),
        ({"attempt": 2}, "has 2 attempts, it takes 1"),
        ({"errors": [{"attempt": 1, "kind": "failed", "error": "b"}]}, "has errors of [1]"),
        ({"errors": [{"attempt": 1, "kind": "lost", "error": "b"}]}, "lost its attempts [1]"),
        ({"attempted_at": at(1.5)}, "when its dependencies let it"),
        ({"finished_at": at(2.5)}, "after its end"),
        ({"pending": 1}, "still waits for 1"),
        ({"queue": "other"}, "is in queue 'other'"),
        ({"dependencies": []}, "has the dependencies []"),
        ({"reason": "why"}, "is completed and has the reason 'why'"),
    ],
)
def test_a_wrong_record_is_noticed(changes, noticed):
    assert any(noticed in wrong for wrong in violations(with_record(well_run(), "b", **changes)))


@pytest.mark.parametrize(
    ("order", "noticed"),
    [
        ([0, 1, 2, 3, 4, 5, 4, 5], "did ['return', 'return'], it was to do ['return']"),
        ([0, 1, 2, 3], "did [], it was to do ['return']"),
        ([0, 1, 2, 4, 3, 5], "started before the end of its dependency 'a'"),
        ([4, 5, 0, 1, 2, 3], "started before the start of its dependency 'a'"),
        ([2, 3, 4, 5], "did ['return'], it was to do ['raise', 'return']"),
    ],
)
def test_a_wrong_call_is_noticed(order, noticed):
    observed = well_run()

    wrong = violations(replace(observed, events=[observed.events[n] for n in order]))

    assert any(noticed in line for line in wrong)


def test_a_step_that_was_given_something_else_is_noticed():
    observed = well_run()
    events = [*observed.events[:4], *started_and_ended("b", "return", left=None, seen={"a": None})]

    assert any("was given" in wrong for wrong in violations(replace(observed, events=events)))


def test_a_wrong_state_of_the_workflow_is_noticed():
    [wrong] = violations(replace(well_run(), state="failed"))

    assert wrong.startswith("the workflow is failed, by its steps it is completed")


def test_a_lost_attempt_and_a_second_call_are_excused_after_a_kill():
    observed = replace(well_run(), losses_are_allowed=True)
    lost = [{"attempt": 1, "kind": "lost", "error": "the worker pool that ran it was lost"}]
    again = replace(observed, events=[*observed.events[:4], *observed.events[4:], *observed.events[4:]])

    assert violations(again) == []
    assert violations(with_record(again, "b", attempt=2, errors=lost)) == []


DOOMED = Plan("doomed", (StepPlan("a", acts=("skip",)), StepPlan("b", deps=("a",)), StepPlan("c", deps=("b",))))


def well_skipped() -> Observed:
    reason = "its dependency 'a' was skipped: a says skipped"
    return Observed(
        DOOMED,
        "completed",
        made(
            Made("a", "skipped", at(1), attempt=1, attempted_at=at(0), reason="a says skipped"),
            Made("b", "skipped", at(1), reason=reason, dependencies=["a"]),
            Made("c", "skipped", at(1), reason=reason, dependencies=["b"]),
        ),
        started_and_ended("a", "skip"),
    )


def test_a_cascade_that_is_as_it_must_be_has_no_violation():
    assert violations(well_skipped()) == []


@pytest.mark.parametrize(
    ("changes", "noticed"),
    [
        ({"state": "cancelled"}, "it must be skipped"),
        ({"state": "completed", "reason": None}, "it must be skipped"),
        ({"finished_at": at(1.001)}, "not in the transaction of"),
        ({"reason": None}, "names no step that decided"),
        ({"reason": "its dependency 'x' was skipped"}, "names no step that decided"),
        ({"attempt": 1, "attempted_at": at(0.5)}, "never was to run and has attempt 1"),
    ],
)
def test_a_step_that_was_to_end_with_its_dependency_and_did_not_is_noticed(changes, noticed):
    assert any(noticed in wrong for wrong in violations(with_record(well_skipped(), "c", **changes)))


def test_a_step_that_ran_and_was_not_to_is_noticed():
    observed = well_skipped()
    events = [*observed.events, *started_and_ended("c", "return")]

    assert any("never was to run and ran" in wrong for wrong in violations(replace(observed, events=events)))


def well_cancelled(names: frozenset[str] | None = frozenset({"a", "b"})) -> Observed:
    """One step hangs, and is cancelled by hand together with one that has not begun."""
    steps = (StepPlan("a", acts=("hang",)), StepPlan("b", flags=IGNORING, deps=("a",)), StepPlan("c", acts=("skip",)))
    return Observed(
        Plan("by hand", steps, cancellation=Cancellation("a", names)),
        "failed" if names else "cancelled",
        made(
            Made("a", "cancelled", at(2), attempt=1, attempted_at=at(0), reason=BY_HAND),
            Made("b", "cancelled", at(2), reason=BY_HAND, dependencies=["a"]),
            Made("c", "skipped", at(1), attempt=1, attempted_at=at(0), reason="c says skipped"),
        ),
        [*started_and_ended("a", "stopped"), *started_and_ended("c", "skip")],
    )


@pytest.mark.parametrize("names", [frozenset({"a", "b"}), None])
def test_a_cancellation_by_hand_that_is_as_it_must_be_has_no_violation(names):
    assert violations(well_cancelled(names)) == []


@pytest.mark.parametrize(
    ("name", "changes", "noticed"),
    [
        ("b", {"finished_at": at(3)}, "not in the transaction of the others"),
        ("b", {"attempt": 2}, "has 2 attempts, it takes 1"),
        ("c", {"state": "cancelled", "reason": BY_HAND}, "was cancelled by hand, nobody did that"),
        ("b", {"state": "completed", "reason": None, "finished_at": at(4)}, "it was to be cancelled by hand"),
    ],
)
def test_a_wrong_cancellation_by_hand_is_noticed(name, changes, noticed):
    assert any(noticed in wrong for wrong in violations(with_record(well_cancelled(), name, **changes)))


def test_a_pool_that_runs_more_of_a_queue_than_its_limit_is_noticed():
    start, end = started_and_ended("a", "return")
    hidden = [event | {"pool": None} for event in (start, start, start)]

    assert overcrowded([start, start, end, start, end, end, *hidden], {"default": 2}) == []
    assert overcrowded([start, start, start], {"default": 2}) == [
        "pool of process 1 ran 3 steps of queue 'default' at once, its limit is 2"
    ]


# The workflows that are drawn


def test_a_seed_draws_the_same_workflows_again_and_a_label_one_of_them():
    drawn = plans("7", 20)

    assert drawn == plans("7", 20)
    assert drawn != plans("8", 20)
    assert [plans(each.label, 20) for each in drawn] == [[each] for each in drawn]
    assert len(drawn) == 20 + 2 * len(SHAPES)


def test_what_is_drawn_can_be_foretold_and_shows_every_behaviour():
    drawn = [each for seed in ("1", "2") for each in plans(seed, 200)]
    acts = Counter(act for each in drawn for step in each.steps for act in step.acts)
    states = Counter(state for each in drawn for possible in foretold(each).values() for state in possible)
    workers = {step.worker for each in drawn for step in each.steps}

    assert acts.keys() == {"return", "raise", "retry", "cancel", "skip", "overrun", "hang"}
    assert states.keys() == {"completed", "cancelled", "discarded", "skipped"}
    assert states["completed"] > 2 * (states.total() - states["completed"]) > 1000
    assert workers == {"act", "act_in_thread", "act_in_process", "act_plainly"}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_without_trouble_is_foretold_to_complete(shape):
    assert set(foretold(plan(f"1/{shape}")).values()) == {frozenset({"completed"})}


def test_the_model_shares_no_code_with_the_package():
    files = sorted((Path(__file__).parent / "model").glob("*.py"))
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    imported = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    imported |= {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}

    assert len(files) == 4
    assert {name for name in imported if name is None or name.split(".")[0] == "baton"} == set()
