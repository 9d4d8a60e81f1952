"""Several models asked the same thing, and one answer made of theirs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from baton import Baton, Context, InvalidOption, Run, WorkerPool, each, result_of, worker
from baton.errors import StepFailed
from baton.llm import FanOutcome, fan_out

SECONDS = 20


@worker(name="fan ask", max_attempts=1)
async def ask(ctx: Context, question: str) -> str:
    if ctx.model.startswith("bad"):
        raise ValueError(f"{ctx.model} is overloaded")
    if ctx.model.startswith("slow"):
        await asyncio.Event().wait()
    return f"{ctx.model}: {question}"


@worker(name="fan merge")
async def merge(answers: dict[str, str]) -> str:
    return " + ".join(answers.values())


@worker(name="fan merge list")
async def merge_list(answers: list[str], title: str) -> str:
    return f"{title} " + ", ".join(answers)


@worker(name="fan merge numbers")
async def merge_numbers(answers: list[int]) -> int:
    return sum(answers)


@worker(name="fan after")
async def after(council: FanOutcome) -> list[str]:
    return council.used


def council(*models: str, **options: Any) -> Baton:
    synthesized = {"synthesize": merge.new(result_of("answers"))} | options
    return Baton.new().add("council", fan_out(ask.new("why?"), models=list(models), **synthesized))


async def states(run: Run) -> dict[str, str]:
    (group,) = await run.steps()
    return {step.name: step.state for step in group.children}


async def test_the_answers_of_all_members_make_one(pool: WorkerPool) -> None:
    run = await council("a", "b").add("after", after.new(result_of("council"))).insert()

    whole = FanOutcome("a: why? + b: why?", ["a", "b"])
    assert await run.result("council", timeout=SECONDS) == whole
    assert not whole.is_degraded
    assert await run.result("after", timeout=SECONDS) == ["a", "b"]


async def test_the_result_names_the_members_that_failed(pool: WorkerPool) -> None:
    run = await council("a", "bad", "b", quorum=2).insert()

    result = await run.result("council", timeout=SECONDS)

    assert result.answer == "a: why? + b: why?"
    assert result.used == ["a", "b"]
    assert result.failed == {"bad": "discarded: ValueError: bad is overloaded"}
    assert (await run.status()).state == "completed"


async def test_below_the_quorum_the_synthesis_does_not_run(pool: WorkerPool) -> None:
    run = await council("a", "bad 1", "bad 2", quorum=2).insert()

    with pytest.raises(StepFailed, match="1 of 3 members answered, and the quorum is 2: bad 1: discarded: ValueError"):
        await run.result("council", timeout=SECONDS)
    assert (await states(run))["council/synthesis"] == "cancelled"


async def test_without_a_quorum_all_have_to_answer(pool: WorkerPool) -> None:
    run = await council("a", "bad").insert()

    with pytest.raises(StepFailed, match="1 of 2 members answered, and the quorum is 2"):
        await run.result("council", timeout=SECONDS)


async def test_a_member_that_is_too_late_has_not_answered(pool: WorkerPool) -> None:
    run = await council("a", "slow", quorum=1, deadline=0.5).insert()

    result = await run.result("council", timeout=SECONDS)

    assert result.used == ["a"]
    assert "deadline" in result.failed["slow"]


async def test_with_the_rest_cancelled_it_goes_on_at_the_quorum(pool: WorkerPool) -> None:
    run = await council("a", "slow", "b", quorum=2, rest="cancel").insert()

    result = await run.result("council", timeout=SECONDS)

    assert result.used == ["a", "b"]
    assert result.failed["slow"].startswith("cancelled")
    assert (await run.status()).state == "completed"


async def test_one_model_may_be_asked_several_times(pool: WorkerPool) -> None:
    run = await council("openai/a", "openai/a").insert()

    result = await run.result("council", timeout=SECONDS)

    assert result.used == ["openai/a", "openai/a (2)"]
    assert result.answer == "openai/a: why? + openai/a: why?"


async def test_members_may_have_names_and_a_list_takes_their_answers(pool: WorkerPool) -> None:
    members = {"critic": "a", "answers": "b"}
    flow = fan_out(ask.new("why?"), models=members, synthesize=merge_list.new(result_of("answers"), title="All:"))
    run = await flow.insert()

    result = await run.result(timeout=SECONDS)

    assert result == FanOutcome("All: a: why?, b: why?", ["critic", "answers"])


async def test_without_a_synthesis_the_answers_are_the_result(pool: WorkerPool) -> None:
    run = await council("a", "b", synthesize=None).insert()

    assert (await run.result("council", timeout=SECONDS)).answer == {"a": "a: why?", "b": "b: why?"}


async def test_a_retry_asks_the_members_that_failed_again(pool: WorkerPool) -> None:
    run = await council("a", "bad").insert()
    await run.wait(timeout=SECONDS)

    await run.retry()
    await run.wait(timeout=SECONDS)

    assert {step: state for step, state in (await states(run)).items() if "bad" in step} == {"council/bad": "discarded"}


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: council("a", quorum=2), "there are 1 members, so that it can never be reached"),
        (lambda: council("a", quorum=0), "it must be a number of members, at least 1"),
        (council, "a fan-out has at least one member"),
        (lambda: fan_out(ask.new("x"), models="gpt"), "it is a list of models, as in"),
        (lambda: council("a", rest="wait"), "it must be 'cancel', or be left out"),
        (lambda: council("a", synthesize=merge), "it must be a job, as in merge.new"),
        (lambda: council("a", synthesize=merge.new({})), "none of its arguments is result_of"),
        (
            lambda: council("a", synthesize=merge_numbers.new(result_of("answers"))),
            r"its argument 'answers' takes list\[int\], and the members give str",
        ),
        (lambda: fan_out(ask.new(each(["x"])), models=["a"]), "no map: each member runs it once"),
    ],
)
def test_what_cannot_work_is_refused_in_a_sentence(make: Any, sentence: str) -> None:
    with pytest.raises(InvalidOption, match=sentence):
        make()
