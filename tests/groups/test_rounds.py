"""`Again`: a step runs again in the same place, or its whole graph does, round after round."""

from __future__ import annotations

from datetime import timedelta

import pytest

from baton import Again, Baton, Context, InvalidOption, Limits, RetryRefused, StepFailed, WorkerPool, result_of, worker
from tests.waiting import eventually

SECONDS = 30

seen: list[object] = []


@pytest.fixture(autouse=True)
def _nothing_seen():
    seen.clear()


@pytest.fixture
async def pool(engine):
    async with WorkerPool(engine) as pool:
        yield pool


@worker(name="rounds one")
async def one() -> int:
    return 1


@worker(name="rounds count")
async def count(ctx: Context, upto: int, base: int = 0, n: int = 0) -> int | Again:
    seen.append((n, base, ctx.attempt, ctx.idempotency_key.partition("/")[2]))
    return n if n == upto else Again(n=n + 1)


async def by_name(run):
    return {step.name: step for step in await run.steps()}


async def test_the_next_round_has_the_named_arguments_and_keeps_the_others(pool):
    """The key changes with each round, the attempt is the first again, and the place is the same."""
    flow = Baton.new().add("one", one.new()).add("count", count.new(upto=2, base=result_of("one")))
    flow.add("after", one.new(), deps=["count"])
    run = await flow.insert()

    assert await run.result("count", timeout=SECONDS) == 2
    assert await run.wait(timeout=SECONDS) == "completed"
    assert seen == [(0, 1, 1, "count"), (1, 1, 1, "count~2"), (2, 1, 1, "count~3")]
    assert list(await by_name(run)) == ["one", "count", "after"]


async def test_an_argument_that_replaces_a_reference_takes_its_place(pool):
    flow = Baton.new().add("one", one.new()).add("count", count.new(upto=1, base=5, n=result_of("one")))
    run = await flow.insert()
    assert await run.result("count", timeout=SECONDS) == 1

    @worker(name="rounds replace")
    async def replace(given: int) -> int | Again:
        return given if given > 1 else Again(given=given + 1)

    run = await Baton.new().add("one", one.new()).add("twice", replace.new(given=result_of("one"))).insert()
    assert await run.result("twice", timeout=SECONDS) == 2


async def test_an_argument_called_after_is_given_as_a_mapping(pool):
    @worker(name="rounds after")
    async def later(after: int) -> int | Again:
        return after if after == 2 else Again({"after": after + 1}, after=0)

    assert await (await later.new(after=1).insert()).result(timeout=SECONDS) == 2


async def test_a_round_may_wait(pool):
    @worker(name="rounds wait")
    async def waits() -> Again:
        return Again(after=timedelta(hours=1))

    run = await waits.new().insert()

    await eventually(lambda: _state(run, "scheduled"))
    (step,) = await run.steps()
    assert step.attempt == 0


async def _state(run, wanted):
    (step,) = await run.steps()
    return step.state == wanted


async def test_a_round_forgets_what_was_kept_and_counts_failures_anew(pool):
    calls = []

    @worker(name="rounds forget", max_attempts=2, backoff=0)
    async def forgets(ctx: Context, n: int = 0) -> int | Again:
        calls.append((n, ctx.attempt, ctx.kept))
        if ctx.attempt == 1:
            await ctx.keep(n)
            raise ValueError("no")
        return n if n == 2 else Again(n=n + 1)

    assert await (await forgets.new().insert()).result(timeout=SECONDS) == 2
    assert calls == [(n, attempt, kept) for n in range(3) for attempt, kept in [(1, None), (2, n)]]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [({"n": "three"}, "Expected `int`, got `str`"), ({"m": 3}, "no argument 'm'"), ({"n": float("nan")}, "JSON")],
)
async def test_arguments_that_do_not_fit_fail_the_step_in_a_sentence(pool, arguments, why):
    @worker(name=f"rounds misfit {why[:8]}", max_attempts=1)
    async def misfits(n: int = 0) -> Again:
        return Again(**arguments)

    with pytest.raises(StepFailed, match="arguments") as raised:
        await (await misfits.new().insert()).result(timeout=SECONDS)
    assert why in str(raised.value)


async def test_arguments_that_are_too_large_fail_the_step(engine):
    @worker(name="rounds large", max_attempts=1)
    async def grows(text: str = "") -> Again:
        return Again(text="x" * 2000)

    engine.size_limits = Limits(argument_bytes=1000)
    async with WorkerPool(engine):
        with pytest.raises(StepFailed, match="the arguments of the next round have"):
            await (await grows.new().insert()).result(timeout=SECONDS)


def test_a_number_of_rounds_to_keep_is_checked():
    with pytest.raises(InvalidOption, match="it must be a number of rounds"):
        Again(keep_rounds=-1)


@worker(name="rounds model")
async def model(messages: list[str]) -> str:
    return f"call {len(messages)}"


@worker(name="rounds tool")
async def tool(call: str) -> str:
    return f"result of {call}"


@worker(name="rounds decide")
async def decide(ctx: Context, messages: list[str], answer: str, upto: int, keep: int | None = None) -> str | Again:
    seen.append(ctx.step)
    if len(messages) == upto:
        return f"done after {upto}"
    return Again(messages=[*messages, answer], keep_rounds=keep)


@worker(name="rounds turn")
async def turn(ctx: Context, messages: list[str], upto: int, keep: int | None = None) -> Baton:
    return (
        Baton.new()
        .add("model", model.new(messages))
        .add("tool", tool.new(result_of("model")))
        .add("decide", decide.new(messages, result_of("tool"), upto, keep))
        .returns("decide")
    )


async def test_a_graph_asks_for_the_next_round_of_the_step_that_returned_it(pool):
    run = await Baton.new().add("turn", turn.new([], 2)).add("after", one.new(), deps=["turn"]).insert()

    assert await run.result("turn", timeout=SECONDS) == "done after 2"
    assert await run.wait(timeout=SECONDS) == "completed"
    (group, _) = await run.steps()
    assert [child.name for child in group.children] == [
        f"turn{number}/{name}" for number in ("", "[#2]", "[#3]") for name in ("model", "tool", "decide")
    ]
    assert seen == ["turn/decide", "turn[#2]/decide", "turn[#3]/decide"]


async def test_the_last_step_of_a_graph_may_ask_without_being_named(pool):
    @worker(name="rounds unnamed")
    async def unnamed(n: int = 0) -> Baton | int:
        return n if n == 2 else Baton.new().add("one", one.new()).add("next", ask.new(n), deps=["one"])

    @worker(name="rounds ask")
    async def ask(n: int) -> Again:
        return Again(n=n + 1)

    assert await (await unnamed.new().insert()).result(timeout=SECONDS) == 2


async def test_a_step_that_is_not_the_returning_one_repeats_itself(pool):
    @worker(name="rounds inner")
    async def inner() -> Baton:
        return Baton.new().add("count", count.new(upto=2)).add("last", one.new(), deps=["count"]).returns("last")

    run = await inner.new().insert()

    assert await run.result(timeout=SECONDS) == 1
    assert [key for *_, key in seen] == ["rounds inner/count", "rounds inner/count~2", "rounds inner/count~3"]


async def test_arguments_that_do_not_fit_the_group_fail_the_step_that_asks(pool):
    @worker(name="rounds wrong", max_attempts=1)
    async def wrong() -> Again:
        return Again(messages=3)

    @worker(name="rounds wrongly")
    async def wrongly(messages: list[str]) -> Baton:
        return Baton.new().add("wrong", wrong.new())

    run = await wrongly.new([]).insert()

    assert await run.wait(timeout=SECONDS) == "failed"
    with pytest.raises(StepFailed, match="the arguments of the next round do not fit"):
        await run.result("rounds wrongly/wrong")


async def test_a_graph_that_fails_begins_no_round_until_it_is_retried(pool):
    broken = [True]

    @worker(name="rounds breaks", max_attempts=1)
    async def breaks() -> None:
        if broken[0]:
            raise ValueError("no")

    @worker(name="rounds beside")
    async def beside(n: int = 0) -> Baton | int:
        if n == 1:
            return n
        return Baton.new().add("breaks", breaks.new()).add("ask", asks.new()).returns("ask")

    @worker(name="rounds asks")
    async def asks() -> Again:
        return Again(n=1)

    run = await beside.new().insert()
    assert await run.wait(timeout=SECONDS) == "failed"

    broken[0] = False
    await run.retry()

    assert await run.result(timeout=SECONDS) == 1


async def test_earlier_rounds_are_pruned_as_wanted(pool, connection):
    run = await turn.new([], 5, 2).insert()

    assert await run.result(timeout=SECONDS) == "done after 5"

    (group,) = await run.steps()
    assert {child.name.partition("/")[0] for child in group.children} == {f"rounds turn[#{n}]" for n in (4, 5, 6)}
    flow = await connection.fetchrow("select total, next_ordinal, remaining from baton.workflows")
    assert tuple(flow) == (10, 19, 0)


async def test_a_retry_leaves_the_failures_of_earlier_rounds(pool):
    """An ignored one of the first round is not opened again."""

    @worker(name="rounds fails", max_attempts=1)
    async def fails() -> None:
        raise ValueError("no")

    @worker(name="rounds forgiving")
    async def forgiving(n: int = 0) -> Baton | int:
        if n == 1:
            raise ValueError("the last one")
        inner = Baton.new().add("fails", fails.new())
        return inner.add("ask", asks_on.new(), deps=["fails"], ignore_discarded=True)

    @worker(name="rounds asks on")
    async def asks_on() -> Again:
        return Again(n=1)

    run = await forgiving.new().with_options(max_attempts=1).insert()
    assert await run.wait(timeout=SECONDS) == "failed"

    await run.retry()

    assert await run.wait(timeout=SECONDS) == "failed"
    (step,) = await run.steps()
    assert [len(child.errors) for child in step.children] == [1, 0]


async def test_a_run_is_cancelled_between_two_rounds(pool):
    @worker(name="rounds slow")
    async def slow(n: int = 0) -> Baton:
        return Baton.new().add("ask", ask_later.new())

    @worker(name="rounds ask later")
    async def ask_later() -> Again:
        return Again(after=3600)

    run = await slow.new().insert()
    await eventually(lambda: _state(run, "scheduled"))

    await run.cancel()

    (step,) = await run.steps()
    assert (step.state, [child.state for child in step.children]) == ("cancelled", ["completed"])


async def test_a_tool_loop_of_500_turns_has_constant_depth(engine):
    """Its names grow by the number of the round alone."""
    async with WorkerPool(engine, queues={"default": 20}):
        run = await Baton.new().add("turn", loop.new()).insert()

        assert await run.result("turn", timeout=120) == 500

    (group,) = await run.steps()
    assert len(group.children) == 2 * 500
    assert group.children[-1].name == "turn[#500]/next"
    assert max(child.name.count("/") for child in group.children) == 1


@worker(name="rounds loop")
async def loop(n: int = 0) -> Baton | int:
    return n if n == 500 else Baton.new().add("call", one.new()).add("next", go_on.new(n, result_of("call")))


@worker(name="rounds go on")
async def go_on(n: int, step: int) -> Again:
    return Again(n=n + step)


@worker(name="rounds book")
async def book(ctx: Context) -> str:
    seen.append(ctx.idempotency_key.partition("/")[2])
    return "booked"


@worker(name="rounds unbook")
async def unbook(booked: str | None = None) -> None:
    seen.append(f"undone {booked}")


@worker(name="rounds saga", max_attempts=1)
async def saga(n: int = 0) -> Baton:
    if n == 2:
        raise ValueError("the third round fails")
    inner = Baton.new().add("book", book.new(), undo=unbook.new(result_of("book", default=None)))
    return inner.add("next", saga_next.new(n), deps=["book"])


@worker(name="rounds saga next")
async def saga_next(n: int) -> Again:
    return Again(n=n + 1, keep_rounds=0)


async def test_what_earlier_rounds_did_is_undone(pool):
    """So these are kept, whatever `keep_rounds` says. They cannot run again; what failed can."""
    run = await Baton.new().add("saga", saga.new()).insert()

    assert await run.wait(timeout=SECONDS) == "failed"

    assert seen == ["saga/book", "saga[#2]/book~2", "undone booked", "undone booked"]
    with pytest.raises(RetryRefused, match=r"what was undone cannot run again .* retry\(forward=True\)"):
        await run.retry()
    assert await run.retry(forward=True) == 1
    assert await run.wait(timeout=SECONDS) == "failed"


async def test_a_step_of_an_earlier_round_that_is_named_is_refused(pool):
    run = await Baton.new().add("turn", turn.new([], 1)).insert()
    await run.result("turn", timeout=SECONDS)

    with pytest.raises(RetryRefused, match="steps of earlier rounds cannot run again: 'turn/model' is completed"):
        await run.retry("turn/model")
