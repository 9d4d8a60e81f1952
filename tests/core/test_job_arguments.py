# ruff: noqa: DTZ001  # naive datetimes are what some of these tests are about

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import pytest

from baton.core import registry
from baton.core.context import Context
from baton.core.job import Job
from baton.core.references import result_of, to_json
from baton.core.returned import Cancel, Skip, Snooze
from baton.core.worker import AnyWorker, worker
from baton.errors import (
    ArgumentsDoNotFit,
    InvalidOption,
    InvalidWorkflow,
    ResultNotJSON,
)

if TYPE_CHECKING:
    from decimal import Decimal as Unresolvable


@dataclass
class Page:
    url: str
    at: datetime


with registry.isolated():

    @worker
    async def fetch(url: str, tries: int = 3) -> Page:
        return Page(url, datetime(2024, 1, 1, tzinfo=UTC))

    @worker
    def report(ctx: Context, left: dict[str, int], right: list[Page] | None = None) -> str | Snooze:
        return f"{ctx.step} {left} {right}"

    @worker
    def every_kind(first: int, /, second: int, *rest: UUID, ctx: Context, named: str = "n", **more: float) -> Any:
        return first, second, rest, ctx.step, named, more

    @worker
    def loose(value, other=None):  # type: ignore[no-untyped-def]  # what nobody annotated
        return value

    @worker
    def numbered(by_number: dict[int, str]) -> dict[int, str]:
        return by_number

    @worker
    def partly_known(ctx: Context, price: Unresolvable, count: int) -> Unresolvable:
        return price

    @worker
    def control_only() -> Snooze | Cancel | Skip | None:
        return None


CONTEXT = Context("w", None, "s", 1, 20, {})


def call(job: Job, results: dict[str, object] | None = None) -> Any:
    """Run a job as a pool would: from its JSON."""
    encoded = job.arguments
    return job.worker.call(job.worker.bind_json(encoded.args, to_json(encoded.placed), results or {}), CONTEXT)


# --- jobs


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda new: new(), "fetch: missing a required argument: 'url'"),
        (lambda new: new("x", 1, 2), "fetch: too many positional arguments"),
        (lambda new: new(ulr="x"), "fetch: got an unexpected keyword argument 'ulr'; did you mean 'url'?"),
        (lambda new: new("x", mode=1), "fetch: got an unexpected keyword argument 'mode'; it takes url, tries"),
        (lambda new: new(url=1), "fetch: Expected `str`, got `int` - at `$.url`"),
        (lambda new: new(url="x", tries="3"), "fetch: Expected `int`, got `str` - at `$.tries`"),
        (lambda new: new(url=result_of("a"), tries="3"), "fetch: Expected `int`, got `str` - at `$.tries`"),
        (
            lambda new: new(url={result_of("a")}),
            (
                "fetch: result_of('a') cannot stand here; it may be an argument, or stand in a list, a tuple, "
                "or under a key of text in a mapping"
            ),
        ),
    ],
)
def test_a_wrong_argument_is_a_type_error_where_it_was_written(make: Callable[[Any], Job], message: str) -> None:
    with pytest.raises(TypeError) as caught:
        make(fetch.new)
    assert str(caught.value) == message


@pytest.mark.parametrize("make", [lambda: report.new(CONTEXT, {}), lambda: report.new(ctx=CONTEXT, left={})])
def test_a_context_is_no_argument(make: Callable[[], Job]) -> None:
    with pytest.raises(TypeError, match="report: the Context is given by the pool; leave it out"):
        make()


def test_arguments_are_a_snapshot() -> None:
    pages = [Page("x", datetime(2024, 1, 1))]
    job = report.new(left={}, right=pages)
    pages.clear()
    assert call(job) == "s {} [Page(url='x', at=datetime.datetime(2024, 1, 1, 0, 0))]"


def test_arguments_of_every_kind_arrive() -> None:
    job = every_kind.new(1, 2, UUID(int=3), UUID(int=4), named="x", extra=1.5)
    assert call(job) == (1, 2, (UUID(int=3), UUID(int=4)), "s", "x", {"extra": 1.5})
    assert call(every_kind.new(1, second=2)) == (1, 2, (), "s", "n", {})


def test_defaults_are_left_to_the_function() -> None:
    assert fetch.new("x").arguments.args == '{"url":"x"}'


def test_a_key_that_is_a_number_comes_back_where_the_annotation_says_so() -> None:
    assert call(numbered.new({1: "a"})) == {1: "a"}


def test_a_key_that_would_come_back_as_text_is_a_fault() -> None:
    with pytest.raises(InvalidWorkflow) as caught:
        loose.new({"a": {1: "b"}}).spec()
    assert str(caught.value) == (
        "the workflow has a fault:\n"
        "- step 'loose' has an argument that is not JSON, at $.value.a: the key 1 would come back as a string; "
        "annotate it, as in dict[int, ...], or use text"
    )


def test_every_argument_that_is_not_json_is_a_fault_of_the_workflow() -> None:
    job = loose.new(math.nan, other=[object()])
    with pytest.raises(InvalidWorkflow) as caught:
        job.spec()
    assert [getattr(fault, "path", None) for fault in caught.value.faults] == ["$.value", "$.other[0]"]


@pytest.mark.parametrize(
    ("besides", "path"),
    [(math.nan, "$.value[2]"), ([None, math.nan], "$.value[2][1]"), ({"x": math.inf}, "$.value[2].x")],
)
def test_a_wrong_number_is_found_beside_references_written_as_null(besides: object, path: str) -> None:
    job = loose.new([result_of("a"), None, besides, result_of("b")])
    assert [fault.path for fault in job.arguments.faults] == [path]


def test_annotations_for_the_type_checker_alone_count_as_none() -> None:
    assert partly_known.takes_context
    assert call(partly_known.new(price="1.5", count=2)) == "1.5"
    with pytest.raises(TypeError, match=r"Expected `int`, got `str` - at `\$.count`"):
        partly_known.new(price=1, count="2")  # type: ignore[arg-type]


def test_a_type_that_json_cannot_tell_apart_is_refused_with_the_first_job() -> None:
    def ambiguous(when: str | datetime) -> None: ...

    made: AnyWorker = worker(ambiguous)
    with pytest.raises(TypeError, match="ambiguous: parameter 'when' is annotated with a type JSON cannot carry"):
        made.new("x")


def test_two_contexts_are_one_too_many() -> None:
    @worker
    def two(one: Context, other: Context) -> None: ...

    with pytest.raises(TypeError, match="two: only one parameter may be a Context, not 2"):
        two.new(None)  # type: ignore[arg-type]


def test_options_of_a_job_are_kept_apart_from_those_of_its_worker() -> None:
    job = fetch.new("x").with_options(queue="web", timeout=timedelta(seconds=5)).with_options(priority=3)
    assert job.given == {"queue": "web", "timeout": 5.0, "priority": 3}
    terms = job.spec().steps[0].terms
    assert (terms.queue, terms.priority, terms.max_attempts, terms.timeout) == ("web", 3, 20, 5.0)


def test_an_option_that_does_not_exist_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(TypeError, match="a job has no option 'priorty'; did you mean 'priority'"):
        fetch.new("x").with_options(priorty=3)  # type: ignore[call-arg]


def test_a_time_is_stored_in_utc_to_the_microsecond() -> None:
    """Also one in a zone whose offset has seconds, which a time in JSON cannot say."""
    amsterdam = timezone(timedelta(minutes=19, seconds=32))
    terms = fetch.new("x").with_options(scheduled_at=datetime(2030, 1, 1, 0, 0, 0, 7, amsterdam)).spec().steps[0].terms
    assert b'"2029-12-31T23:40:28.000007Z"' in msgspec.json.encode(terms)


def test_with_options_changes_a_copy() -> None:
    job = fetch.new("x")
    job.with_options(queue="web")
    assert job.given == {}


def test_a_job_may_have_no_limit_although_its_worker_has_one() -> None:
    @worker(timeout=5)
    def slow() -> None: ...

    assert slow.new().with_options(timeout=None).spec().steps[0].terms.timeout is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scheduled_at": datetime(2024, 1, 1)}, "the datetime is naive; give it a time zone"),
        ({"scheduled_at": 5}, "it must be a datetime"),
        (
            {"scheduled_at": datetime.max.replace(tzinfo=UTC)},
            "it must be between the years 1900 and 9000; leave it out",
        ),
        ({"scheduled_at": datetime.min.replace(tzinfo=timezone(timedelta(hours=5)))}, "it must be between the years"),
        ({"schedule_in": math.inf}, "it must be 0 or more seconds, and at most a hundred years"),
        ({"schedule_in": timedelta.max}, "it must be 0 or more seconds, and at most a hundred years"),
        ({"schedule_in": -1}, "it must be 0 or more seconds"),
        ({"schedule_in": timedelta(days=-1)}, "it must be 0 or more seconds"),
        ({"schedule_in": 1, "scheduled_at": datetime(2024, 1, 1, tzinfo=UTC)}, "give one of the two"),
        ({"queue": ""}, "it must not be empty"),
        ({"backoff": len}, "a function belongs to the worker, as in @worker(backoff=...)"),
        ({"backoff": -1}, "it must be 0 or more seconds"),
    ],
    ids=str,
)
def test_an_invalid_option_of_a_job_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        fetch.new("x").with_options(**options)
    assert message in str(caught.value)


def test_a_job_alone_is_a_workflow_of_one_step_named_as_its_worker() -> None:
    spec = fetch.new("x").spec()
    assert [step.name for step in spec.steps] == ["fetch"]
    assert spec.id != fetch.new("x").spec().id
    assert spec.fingerprint == fetch.new("x").spec().fingerprint


def test_a_job_alone_cannot_refer_to_a_step() -> None:
    with pytest.raises(InvalidWorkflow, match="depends on 'a', which is not in the workflow"):
        fetch.new(result_of("a")).spec()


# --- running a stored job


def test_arguments_come_back_typed_and_are_called() -> None:
    page = Page("x", datetime(2024, 1, 1, tzinfo=UTC))
    assert call(report.new(left={"a": 1}, right=[page])) == f"s {{'a': 1}} [{page!r}]"


def test_results_come_back_typed_in_the_places_of_their_references() -> None:
    job = report.new(left={"a": result_of("n")}, right=result_of("pages"))
    results = {"n": 1, "pages": [{"url": "x", "at": "2024-01-01T00:00:00Z"}]}
    assert call(job, results) == f"s {{'a': 1}} [{Page('x', datetime(2024, 1, 1, tzinfo=UTC))!r}]"


def test_a_parameter_without_its_result_gets_its_default() -> None:
    assert call(report.new(left={}, right=result_of("a"))) == "s {} None"


def test_a_list_or_mapping_does_without_a_result_that_is_missing() -> None:
    """Results of several steps that may fail: the others arrive, in their order."""
    job = report.new(
        left={"a": result_of("n"), "b": result_of("m"), "c": 3},
        right=[result_of("x"), result_of("a"), result_of("y"), result_of("z")],
    )
    page = {"url": "x", "at": "2024-01-01T00:00:00"}
    expected = Page("x", datetime(2024, 1, 1))
    assert call(job, {"n": 1, "x": page, "y": page}) == f"s {{'a': 1, 'c': 3}} {[expected, expected]!r}"
    assert call(job) == "s {'c': 3} []"


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ('{"url":1}', "Expected `str`, got `int` - at `$.url`"),
        ("{}", "Object missing required field `url`"),
        ('{"url":"x","gone":1}', "Object contains unknown field `gone`"),
        ('{"url":null}', "Expected `str`, got `null` - at `$.url`"),
    ],
)
def test_arguments_that_no_longer_fit_are_named_with_their_path(args: str, why: str) -> None:
    with pytest.raises(ArgumentsDoNotFit) as caught:
        fetch.bind_json(args, None, {})
    assert str(caught.value) == f"the arguments do not fit worker 'fetch': {why}"


def test_a_result_of_another_type_does_not_fit() -> None:
    with pytest.raises(ArgumentsDoNotFit, match="Expected `str`, got `int`"):
        fetch.bind_json('{"url":null}', '[[["url"],"a"]]', {"a": 1})


def test_text_with_lone_surrogates_arrives() -> None:
    assert call(loose.new("a\ud800")) == "a\ud800"


def test_an_unbindable_worker_is_reported_like_arguments_that_misfit() -> None:
    @worker
    def two(one: Context, other: Context) -> None: ...

    with pytest.raises(ArgumentsDoNotFit, match="only one parameter may be a Context"):
        two.bind_json("{}", None, {})


async def test_an_async_worker_gives_a_coroutine() -> None:
    assert asyncio.iscoroutine(coroutine := call(fetch.new("x")))
    assert (await coroutine).url == "x"


def test_a_result_comes_back_typed_by_the_return_annotation() -> None:
    page = Page("x", datetime(2024, 1, 1, tzinfo=UTC))
    assert fetch.decode_result(fetch.encode_result(page)) == page
    assert numbered.decode_result(numbered.encode_result({1: "a"})) == {1: "a"}


def test_control_types_are_no_part_of_the_result() -> None:
    assert report.decode_result('"x"') == "x"
    assert control_only.decode_result("null") is None


def test_a_result_that_misfits_its_annotation_comes_back_as_returned() -> None:
    assert fetch.decode_result(fetch.encode_result([1, 2])) == [1, 2]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([math.nan], "the result of worker 'loose' is not JSON, at $[0]: nan has no form in JSON"),
        (object(), "the result of worker 'loose' is not JSON, at $: a value of type object has no form in JSON"),
        (
            [{1: "a"}],
            "the result of worker 'loose' is not JSON, at $[0]: the key 1 would come back as a string; annotate it,",
        ),
    ],
    ids=["nan", "object", "key"],
)
def test_a_result_that_is_not_json_says_so(value: Any, message: str) -> None:
    with pytest.raises(ResultNotJSON) as caught:
        loose.encode_result(value)
    assert str(caught.value).startswith(message)


def test_a_keyed_result_may_hold_sets_and_tuples_beside_numbered_keys() -> None:
    @worker
    def graph() -> dict[int, tuple[int, ...]]:
        return {1: (2, 3)}

    assert graph.decode_result(graph.encode_result({1: (2, 3)})) == {1: (2, 3)}
