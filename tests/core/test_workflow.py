from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NotRequired, TypedDict

import pytest

from baton.core import registry
from baton.core.context import Context
from baton.core.references import result_of
from baton.core.worker import worker
from baton.core.workflow import Baton
from baton.errors import DuplicateStep, InvalidName, InvalidOption, InvalidWorkflow, StepNotFound
from baton.errors.faults import Cycle, IgnoredInFixedPlace, SelfDependency, UnknownDependency


class Page(TypedDict):
    url: str
    note: NotRequired[str]


with registry.isolated():

    @worker
    async def go() -> None: ...

    @worker
    async def wait() -> None: ...

    @worker
    async def fixed(
        pair: tuple[Any, int] | None = None, pairs: Sequence[tuple[int, Any]] = (), page: Page | None = None
    ) -> None: ...

    @worker
    async def take(value: Any, other: Any = None) -> Any: ...

    @worker
    async def look(ctx: Context, value: Any = None) -> Any: ...


def test_names_are_in_the_order_added() -> None:
    baton = Baton.new().add("b", go.new(), deps=["a"]).add("a", go.new())
    assert baton.step_names() == ["b", "a"]


def test_a_valid_workflow_has_a_topological_order() -> None:
    baton = Baton.new().add("b", go.new(), deps=["a"]).add("a", go.new()).add("c", go.new(), deps=["b"])
    assert baton.validate() == ["a", "b", "c"]


def test_all_faults_are_reported_together() -> None:
    baton = (
        Baton.new(meta={"since": math.inf})
        .add("charge", go.new(), deps=["charge"])
        .add("ship", take.new(math.nan), deps=["chrage"])
        .add("x", go.new(), deps=["z"])
        .add("y", go.new(), deps=["x"])
        .add("z", go.new(), deps=["y"])
        .add("mail", take.new(value=result_of("ship")), ignore_discarded=True)
    )
    with pytest.raises(InvalidWorkflow) as caught:
        baton.validate()
    assert str(caught.value) == (
        "the workflow has 6 faults:\n"
        "- step 'charge' depends on itself\n"
        "- step 'ship' depends on 'chrage', which is not in the workflow; did you mean 'charge'?\n"
        "- steps wait for each other in a cycle: 'x' -> 'y' -> 'z' -> 'x'\n"
        "- step 'ship' has an argument that is not JSON, at $.value: nan has no form in JSON\n"
        "- step 'mail' goes on when 'ship' ends without a result, but its parameter 'value' takes that result and has "
        "no default; give it one\n"
        "- the workflow's meta is not JSON, at $.since: inf has no form in JSON"
    )


def test_an_empty_workflow_is_a_fault() -> None:
    with pytest.raises(InvalidWorkflow, match="the workflow has no steps; add at least one"):
        Baton.new().validate()


def test_an_unknown_dependency_without_a_near_name_gets_no_hint() -> None:
    with pytest.raises(InvalidWorkflow) as caught:
        Baton.new().add("a", go.new(), deps=["something else"]).validate()
    assert caught.value.faults == (UnknownDependency("a", "something else", ["a"]),)
    assert str(caught.value.faults[0]) == "step 'a' depends on 'something else', which is not in the workflow"


def test_a_reference_to_itself_or_to_nothing_is_a_fault() -> None:
    baton = Baton.new().add("a", take.new([result_of("a"), result_of("b")]))
    with pytest.raises(InvalidWorkflow) as caught:
        baton.validate()
    assert caught.value.faults == (SelfDependency("a"), UnknownDependency("a", "b", ["a"]))


def test_a_very_long_cycle_is_abbreviated() -> None:
    text = str(Cycle(tuple(f"s{number}" for number in range(1_000))))
    assert text.endswith(
        "-> 's19' -> (960 more) -> 's980' -> " + " -> ".join(f"'s{n}'" for n in range(981, 1000)) + " -> 's0'"
    )


def test_a_name_that_is_taken_raises_at_once_and_changes_nothing() -> None:
    baton = Baton.new().add("caf\u00e9", go.new())
    with pytest.raises(DuplicateStep) as caught:
        baton.add("cafe\u0301", go.new())
    assert str(caught.value) == "there is a step named 'café' already; give this one another name"
    assert baton.step_names() == ["caf\u00e9"]


def test_names_in_nfd_and_nfc_are_one_in_dependencies_and_references() -> None:
    baton = Baton.new().add("caf\u00e9", go.new()).add("b", take.new(result_of("cafe\u0301")), deps=["cafe\u0301"])
    assert baton.validate() == ["caf\u00e9", "b"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a/b", "'a/b' cannot be the name of a step: '/' is reserved for the children of a step"),
        ("a[0]", "'a[0]' cannot be the name of a step: '[' is reserved for the children of a step"),
        ("", "'' cannot be the name of a step: it must not be empty"),
        (
            "a\x00",
            "'a\\x00' cannot be the name of a step: it contains the character '\\x00', which",
        ),
        (
            "\ud800",
            "'\\ud800' cannot be the name of a step: it contains the character '\\ud800', which",
        ),
        (5, "5 cannot be the name of a step: it must be a string, not int"),
    ],
)
def test_an_invalid_name_is_refused_with_a_reason(name: Any, message: str) -> None:
    with pytest.raises(InvalidName) as caught:
        Baton.new().add(name, go.new())
    assert str(caught.value).startswith(message)


def test_a_name_may_have_200_characters_and_no_more() -> None:
    Baton.new().add("ü" * 200, go.new()).validate()
    with pytest.raises(InvalidName, match="it has 201 characters, and at most 200 are allowed"):
        Baton.new().add("x" * 201, go.new())


NO_STEP = "must be a job, a Baton, a Signal, a Timer, a Receive or a Run, not"


@pytest.mark.parametrize(
    ("add", "message"),
    [
        (
            lambda add: add("a", go),
            f"step 'a' {NO_STEP} Worker; did you mean go.new(...)?",
        ),
        (
            lambda add: add("a", print),
            f"{NO_STEP} builtin_function_or_method; register it with",
        ),
        (
            lambda add: add("a", sum([1])),
            (
                f"step 'a' {NO_STEP} int: if it is what a worker returned, write worker.new(...) in "
                "place of the call worker(...)"
            ),
        ),
        (
            lambda add: add("a", wait()),
            (
                f"step 'a' {NO_STEP} coroutine: wait(...) calls the function; write wait.new(...), "
                "which makes a job of the call"
            ),
        ),
        (lambda add: add("a", go.new(), deps="bc"), "must be a list of names, not one string; write deps=['bc']"),
        (lambda add: add("a", go.new(), deps=[1]), "deps of step 'a' must be names of steps, not int"),
        (lambda add: add("a", go.new(), deps=[None]), "deps of step 'a' must be names of steps, not NoneType"),
    ],
)
def test_a_wrong_call_is_a_type_error_with_a_reason(add: Callable[[Any], object], message: str) -> None:
    baton = Baton.new()
    with pytest.raises(TypeError) as caught:
        add(baton.add)
    assert message in str(caught.value)
    assert baton.step_names() == []


@pytest.mark.parametrize("flag", ["ignore_cancelled", "ignore_discarded", "ignore_skipped"])
def test_a_flag_that_is_no_truth_value_is_refused(flag: str) -> None:
    with pytest.raises(InvalidOption):
        Baton.new(**{flag: "yes"})  # type: ignore[arg-type]
    with pytest.raises(InvalidOption):
        Baton.new().add("a", go.new(), **{flag: 1})  # type: ignore[arg-type]


def test_dependencies_may_be_any_iterable_and_named_twice() -> None:
    baton = Baton.new().add("a", go.new()).add("b", take.new(result_of("a")), deps=iter(["a", "a"]))
    assert baton.spec().steps[1].dependencies == (0,)


def test_edges_are_positions_in_both_directions() -> None:
    baton = (
        Baton.new()
        .add("join", go.new(), deps=["right", "left"])
        .add("left", go.new(), deps=["top"])
        .add("right", go.new(), deps=["top"])
        .add("top", go.new())
    )
    steps = baton.spec().steps
    assert [step.dependencies for step in steps] == [(1, 2), (3,), (3,), ()]
    assert [step.dependents for step in steps] == [(), (0,), (0,), (1, 2)]


def test_inputs_are_the_referenced_dependencies_or_all_with_a_context() -> None:
    baton = (
        Baton.new()
        .add("a", go.new())
        .add("b", go.new())
        .add("take", take.new([result_of("b")]), deps=["a"])
        .add("look", look.new(result_of("b")), deps=["a"])
        .add("go", go.new(), deps=["a"])
    )
    assert [step.inputs for step in baton.spec().steps[2:]] == [(1,), (0, 1), ()]


def test_a_reference_is_null_in_the_arguments_and_a_path_beside_them() -> None:
    baton = Baton.new().add("a", go.new()).add("b", take.new({"k": [1, result_of("a")]}, other=result_of("a")))
    step = baton.spec().steps[1]
    assert step.args == '{"value":{"k":[1,null]},"other":null}'
    assert step.references == '[[["other"],"a"],[["value","k",1],"a"]]'


def test_flags_of_the_workflow_hold_where_a_step_has_none_of_its_own() -> None:
    baton = (
        Baton.new(ignore_skipped=True, ignore_cancelled=True)
        .add("a", go.new())
        .add("b", go.new(), ignore_skipped=False, ignore_discarded=True)
    )
    terms = [step.terms for step in baton.spec().steps]
    flags = [(each.ignore_cancelled, each.ignore_discarded, each.ignore_skipped) for each in terms]
    assert flags == [(True, False, True), (True, True, False)]


def test_an_ignored_dependency_may_be_taken_by_a_parameter_with_a_default() -> None:
    baton = Baton.new().add("a", go.new()).add("b", take.new(1, other=result_of("a")), ignore_discarded=True)
    assert baton.validate() == ["a", "b"]


@pytest.mark.parametrize(
    "value",
    [[result_of("a")], [[result_of("a")], result_of("a")], {"k": result_of("a")}],
    ids=["list", "nested", "mapping"],
)
def test_a_missing_result_may_be_left_out_of_a_list_and_of_a_mapping(value: Any) -> None:
    baton = Baton.new().add("a", go.new()).add("b", take.new(value), ignore_discarded=True)
    assert baton.validate() == ["a", "b"]


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("pair", (result_of("a"), 1)), ("pairs", [(1, result_of("a"))]), ("page", {"url": result_of("a")})],
)
def test_a_missing_result_may_not_leave_its_own_place_empty(parameter: str, value: Any) -> None:
    """A place in a tuple, or a field without a default, needs its value."""
    baton = Baton.new().add("a", go.new()).add("b", fixed.new(**{parameter: value}), ignore_discarded=True)
    with pytest.raises(InvalidWorkflow) as caught:
        baton.validate()
    assert caught.value.faults == (IgnoredInFixedPlace("b", parameter, "a"),)
    assert str(caught.value) == (
        "the workflow has a fault:\n"
        "- step 'b' goes on when 'a' ends without a result, but its parameter "
        f"{parameter!r} has that result in a tuple or a record, which needs all its values; write result_of(..., "
        "default=...), or pass it in a list, under a key of a mapping, or as an argument with a default"
    )


@pytest.mark.parametrize(
    "page",
    [{"url": "x", "note": result_of("a")}, {"url": result_of("a", default="x")}],
    ids=["a field with a default", "a reference with a default"],
)
def test_a_field_with_a_default_may_lack_its_result(page: Any) -> None:
    baton = Baton.new().add("a", go.new()).add("b", fixed.new(page=page), ignore_discarded=True)
    assert baton.validate() == ["a", "b"]


def test_the_workflow_carries_what_new_was_given() -> None:
    spec = Baton.new(workflow_id="w 1", workflow_name="n", debug=True, meta={"a": [1]}).add("a", go.new()).spec()
    assert (spec.id, spec.name, spec.debug, spec.meta) == ("w 1", "n", True, '{"a":[1]}')


def test_an_id_is_drawn_once_by_new() -> None:
    baton = Baton.new().add("a", go.new())
    assert baton.spec().id == baton.spec().id
    assert baton.spec().id != Baton.new().add("a", go.new()).spec().id


@pytest.mark.parametrize("identity", ["", "x" * 201, "a\x00b", 5])
def test_an_invalid_id_is_refused(identity: Any) -> None:
    with pytest.raises(InvalidName):
        Baton.new(workflow_id=identity)


def test_options_of_jobs_arrive_in_the_steps() -> None:
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    job = go.new().with_options(queue="web", priority=1, max_attempts=2, timeout=3)
    baton = Baton.new().add("a", job.with_options(scheduled_at=moment)).add("b", job.with_options(schedule_in=5))
    first, second = [step.terms for step in baton.spec().steps]
    assert (first.queue, first.priority, first.max_attempts, first.timeout) == ("web", 1, 2, 3.0)
    assert (first.scheduled_at, first.schedule_in) == (moment, None)
    assert (second.scheduled_at, second.schedule_in) == (None, 5.0)


def test_a_hundred_thousand_steps_in_a_chain_and_side_by_side_validate() -> None:
    job = go.new()
    chain = Baton.new().add("s0", job)
    for number in range(1, 100_000):
        chain.add(f"s{number}", job, deps=[f"s{number - 1}"])
    wide = Baton.new()
    for number in range(100_000):
        wide.add(f"s{number}", job)
    wide.add("end", job, deps=wide.step_names())
    assert chain.validate() == chain.step_names()
    assert len(wide.spec().steps[-1].dependencies) == 100_000


def test_an_error_can_be_copied_to_another_process() -> None:
    error = StepNotFound("w", "chrage", ["charge"])
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.step, type(copy)) == (str(error), "chrage", StepNotFound)
    assert str(error) == "workflow 'w' has no step 'chrage'; did you mean 'charge'?"
