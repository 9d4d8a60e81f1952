"""Workflows that use everything the builder has, as a start for mutations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from baton import (
    Baton,
    Context,
    Exponential,
    Receive,
    Run,
    Signal,
    Timer,
    each,
    failed,
    param,
    result_of,
    state_of,
    worker,
)


def valid_inserts() -> Sequence[Baton]:
    """Return a few workflows, each with some of what a step may have."""

    @worker(name="fuzzed", queue="fuzz")
    async def step(value: object = None, other: object = None) -> object:
        return value

    @worker(name="fuzzed with context")
    async def observing(ctx: Context, value: object = None) -> object:
        return value

    diamond = (
        Baton.new(workflow_id="w", workflow_name="diamond", meta={"by": "a test"})
        .add("a", step.new(1).with_options(priority=3, max_attempts=2, timeout=30, backoff=Exponential(3)))
        .add("b", step.new(result_of("a")), ignore_discarded=True)
        .add("c", observing.new([result_of("a", default=None), {"x": state_of("b")}]))
        .add("d", step.new(other=1).with_options(schedule_in=60), deps=["b", "c"])
        .returns("d")
    )
    inner = Baton.new().add("p", step.new(result_of("a"))).add("q", step.new(), deps=["p"]).returns("q")
    deep = Baton.new().add("in", inner).add("out", step.new(result_of("in")))
    nested = (
        Baton.new(workflow_id="w")
        .add("a", step.new())
        .add("g", deep, deps=["a"])
        .add("m", step.new(each([1, 2, result_of("a")]), other=result_of("g")).with_options(concurrency=1))
        .add("n", step.new(result_of("m")))
    )
    conditional = (
        Baton.new(workflow_id="w")
        .add("a", step.new())
        .add("b", step.new(), when=(result_of("a")["score"] > 0.8) & ~(state_of("a") == "skipped"))
        .add("c", step.new(), when=failed("a", "b") | result_of("a").in_([1, None, "x"]))
        .add("few", step.new(), deps=["a", "b", "c"], needs=2, rest="cancel")
        .add(
            "gated", Baton.new().add("x", step.new()).add("y", step.new(), deps=["x"]), when=state_of("a") != "skipped"
        )
    )
    hasty = Baton.new(fail_fast=True, deadline=600).add("p", step.new()).add("q", step.new())
    bounded = (
        Baton.new(workflow_id="w", fail_fast=True, deadline=3600)
        .add("a", step.new().with_options(deadline=60, start_within=30))
        .add("m", step.new(each([1, 2, 3])).with_options(tolerate=1), deps=["a"])
        .add("some", step.new(each([1, 2, 3])).with_options(needs=2), ignore_discarded=True, deps=["a"])
        .add("g", hasty, deps=["m"], runs="on failure")
        .add("undone", step.new(), undo=step.new(), deps=["some"], ignore_cancelled=True)
    )
    waiting = (
        Baton.new(workflow_id="w")
        .add("approval", Signal(int, timeout=60, default=3))
        .add("second", Signal(), deps=["approval"])
        .add("word", Receive("chat", str, timeout=5, default="none"))
        .add("other", Run("another", may_come_within=5))
        .add("later", Timer(until=datetime(2031, 1, 1, tzinfo=UTC)), ignore_discarded=True, deps=["approval"])
        .add("pause", Timer(minutes=5), when=result_of("approval") == 3)
        .add("end", step.new(result_of("second")), deps=["later", "pause"])
    )
    closing = (
        Baton.new(workflow_id="w")
        .add("create", step.new(), undo=step.new(result_of("create", default=None)))
        .add("use", step.new(result_of("create")), undo=observing.new(result_of("create")))
        .add("group", Baton.new().add("x", step.new()).add("tidy", step.new(), runs="always"), deps=["create"])
        .add("report", step.new(result_of("use", default=None)), runs="on failure")
        .add("destroy", step.new(), runs="always")
        .add("after", Baton.new().add("z", step.new()), runs="always")
    )
    innermost = Baton.new().add("n", step.new(param("y"), other=result_of("late")))
    item = (
        Baton.new(fail_fast=True)
        .add("f", step.new(param("x"), other=[result_of("a"), param("x")]), undo=step.new(param("x")), deps=["late"])
        .add("g", Baton.new().add("p", step.new(result_of("b", default=None))), when=state_of("b") != "skipped")
        .add("m", step.new(each([param("x"), result_of("f")]), other=result_of("late")), deps=["a"])
        .add("deep", innermost, each={"y": result_of("m")}, deps=["f"])
        .add("few", step.new(), deps=["a", "f", "late"], needs=2)
        .add("tidy", observing.new(result_of("late", default=1)), runs="always")
        .returns("m")
    )
    mapped = (
        Baton.new(workflow_id="w")
        .add("a", step.new([1, 2]))
        .add("b", step.new(), ignore_discarded=True)
        .add("late", step.new(), deps=["a"])
        .add("items", item.with_options(concurrency=2, tolerate=1), each={"x": result_of("a")})
        .add("last", step.new(result_of("items")))
    )
    return diamond, nested, conditional, closing, waiting, bounded, mapped
