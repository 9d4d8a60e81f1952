"""What a caller may name on a run: ids, steps, reasons, and the worker of a step."""

from __future__ import annotations

import pytest

from baton import Baton, InvalidName, InvalidOption, Run, StepNotFound, WorkerPool, each, worker

UNSTORABLE = ["a\x00b", "a\ud800b"]


@pytest.mark.parametrize("workflow_id", [*UNSTORABLE, "", "x" * 201, 5])
def test_an_id_that_no_workflow_can_have_is_refused(workflow_id):
    with pytest.raises(InvalidName, match="cannot be the name of a workflow: it"):
        Run(workflow_id)


@pytest.mark.parametrize("step", [*UNSTORABLE, 5])
async def test_the_name_of_a_step_that_cannot_be_stored_is_refused(engine, quick, step):
    run = await quick.new().insert()
    for call in (run.result(step), run.cancel(step), run.retry(step)):
        with pytest.raises(InvalidName, match="cannot be the name of a step: it"):
            await call


async def test_a_step_is_found_in_either_form_of_its_letters(engine, quick):
    run = await Baton.new().add("caf\u00e9", quick.new()).insert()
    assert await run.cancel("cafe\u0301") == 1
    assert await run.retry("cafe\u0301") == 1


async def test_a_child_may_be_named(engine, quick):
    run = await Baton.new().add("all", Baton.new().add("one", quick.new())).insert()
    assert await run.cancel("all/one") > 0


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        ("a\x00b", r"it contains the character '\\x00', which cannot be stored"),
        ("a\ud800b", "it contains the character .*, which cannot be stored"),
        ("x" * 2_001, "it has 2,001 characters, and at most 2,000 are allowed"),
        (5, "it must be text, not int"),
    ],
    ids=["nul", "surrogate", "long", "number"],
)
async def test_a_reason_that_cannot_be_stored_is_refused(engine, quick, reason, why):
    run = await quick.new().insert()
    with pytest.raises(InvalidOption, match=why):
        await run.cancel(reason=reason)
    assert (await run.status()).state == "executing"


async def test_the_longest_reason_is_stored_in_full(engine, quick):
    run = await quick.new().insert()
    await run.cancel(reason="x" * 2_000)
    assert "x" * 2_000 in (await run.steps())[0].reason


@pytest.mark.parametrize("name", [*UNSTORABLE, "x" * 201])
def test_a_pool_name_that_cannot_be_stored_is_refused(name):
    with pytest.raises(InvalidOption, match="name="):
        WorkerPool(name=name)


# --- results of a worker


@pytest.fixture
async def pool(engine):
    async with WorkerPool(engine) as pool:
        yield pool


@pytest.fixture
def length():
    @worker
    async def length(text: str) -> int:
        return len(text)

    return length


async def test_the_result_of_a_single_job_is_asked_of_its_worker(pool, length):
    run = await length.new(text="abc").insert()
    assert await run.result(length, timeout=20) == 3


async def test_the_worker_of_a_step_is_checked(pool, length, quick):
    run = await Baton.new().add("a", length.new(text="abc")).insert()
    assert await run.result("a", timeout=20, worker=length) == 3
    with pytest.raises(TypeError, match="step 'a' is run by worker 'length', not by 'quick'"):
        await run.result("a", worker=quick)
    with pytest.raises(StepNotFound):
        await run.result(length)


async def test_a_group_has_no_worker_of_its_own(pool, length):
    run = await Baton.new().add("a", length.new(text=each(["a", "bc"]))).insert()
    assert await run.result("a", timeout=20) == [1, 2]
    with pytest.raises(TypeError, match="step 'a' is a map, whose result is put together; leave out the worker"):
        await run.result("a", worker=length)
