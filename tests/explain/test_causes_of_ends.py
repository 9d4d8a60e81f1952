"""Each way to have ended is a cause, made by a real situation."""

from __future__ import annotations

from uuid import uuid4

import pytest

from baton import Again, Baton, Run, Signal, Timer, WorkerPool, causes, each, result_of, worker
from baton.database.messages import ClaimRequest
from tests.waiting import eventually


async def ended(engine, flow: Baton) -> Run:
    """Run a workflow to its end."""
    async with WorkerPool(engine, grace=0):
        run = await flow.insert()
        await run.wait(20)
    return run


async def said(run: Run, step: str | None = None) -> str:
    return str(await run.explain(step))


ONLY = "step 'a' was discarded, as its only attempt failed: ValueError: no luck"


async def test_what_depended_on_a_failure_leads_to_it(engine, ends):
    flow = Baton.new(workflow_id="w").add("a", ends.breaks.new())
    run = await ended(engine, flow.add("b", ends.scores.new(), deps=["a"]).add("c", ends.scores.new(), deps=["b"]))

    explained = await run.explain("c")
    assert str(explained) == f"step 'c' was cancelled because of step 'a' upstream; {ONLY}"
    assert isinstance(explained.cause, causes.EndedByStep)
    assert explained.root.cause == causes.AttemptsUsedUp(attempts=1, error="ValueError: no luck")
    assert await said(run) == f"workflow 'w' failed; {ONLY}"


async def test_a_step_whose_attempts_are_used_up(engine, ends):
    run = await ended(engine, Baton.new().add("a", ends.breaks.new().with_options(max_attempts=2)))

    assert await said(run, "a") == (
        "step 'a' was discarded, as all its 2 attempts failed, the last with: ValueError: no luck"
    )


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("cancels", "step 'a' was cancelled by its own worker in attempt 1: the order is gone"),
        ("skips", "step 'a' was skipped by its own worker in attempt 1: nothing to do"),
        ("fails", "step 'a' was discarded for good in attempt 1: no such article"),
    ],
)
async def test_a_worker_that_said_so(engine, ends, how, expected):
    run = await ended(engine, Baton.new().add("a", getattr(ends, how).new()))

    assert await said(run, "a") == expected
    assert isinstance((await run.explain("a")).cause, causes.EndedByWorker)


async def test_a_condition_names_its_comparison_and_the_value(engine, ends):
    score = result_of("check")["score"]
    run = await ended(
        engine, Baton.new().add("check", ends.scores.new()).add("deep", ends.scores.new(), when=score > 0.8)
    )

    assert await said(run, "deep") == (
        "step 'deep' was skipped: its condition result_of('check')['score'] > 0.8 does not hold, as "
        "result_of('check')['score'] is 0.3"
    )


async def test_a_condition_that_cannot_be_evaluated(engine, ends):
    flow = Baton.new().add("check", ends.scores.new())
    run = await ended(engine, flow.add("deep", ends.scores.new(), when=result_of("check")["speed"] > 1))

    assert await said(run, "deep") == (
        "step 'deep' was discarded: its condition result_of('check')['speed'] > 1 cannot be evaluated: "
        "result_of('check')['speed'] is not there"
    )


async def test_a_group_that_its_condition_skipped_and_a_step_in_it(engine, ends):
    inner = Baton.new().add("x", ends.scores.new())
    flow = Baton.new().add("check", ends.scores.new()).add("g", inner, when=result_of("check")["score"] > 0.8)
    run = await ended(engine, flow)

    group = await said(run, "g")
    assert group.startswith("step 'g' was skipped: its condition result_of('check')['score'] > 0.8 does not hold")
    assert await said(run, "g/x") == f"step 'g/x' was skipped with its group 'g'; {group}"


async def test_a_group_leads_to_the_child_that_decided(engine, ends):
    inner = Baton.new().add("a", ends.breaks.new())
    run = await ended(engine, Baton.new().add("g", inner).add("after", ends.scores.new(), deps=["g"]))

    assert await said(run, "after") == (
        "step 'after' was cancelled because of step 'g' upstream; step 'g' was discarded because of step 'g/a'; "
        "step 'g/a' was discarded, as its only attempt failed: ValueError: no luck"
    )
    assert isinstance((await run.explain("g")).cause, causes.EndedByChild)


async def test_a_map_that_tolerates_less(engine, ends):
    run = await ended(engine, Baton.new().add("m", ends.odd_breaks.new(each([0, 1, 3, 5])).with_options(tolerate=2)))

    explained = await run.explain("m")
    assert str(explained).startswith("step 'm' was discarded: 3 of its 4 children failed, and it tolerates 2; step 'm[")
    assert isinstance(explained.cause, causes.Verdict)


async def test_needs_that_are_out_of_reach(engine, ends):
    flow = Baton.new().add("b", ends.breaks.new()).add("a", ends.breaks.new()).add("c", ends.scores.new())
    run = await ended(engine, flow.add("two", ends.scores.new(), deps=["a", "b", "c"], needs=2))

    assert (await said(run, "two")).startswith(
        "step 'two' was cancelled: it needs 2 of its dependencies, and only 1 can complete; step 'b' was discarded"
    )


async def test_what_is_no_longer_needed(engine, ends, held):
    flow = Baton.new().add("a", ends.scores.new()).add("b", held.worker.new())
    run = await ended(engine, flow.add("one", ends.scores.new(), deps=["a", "b"], needs=1, rest="cancel"))

    assert await said(run, "b") == "step 'b' was cancelled as no longer needed: step 'one' has what it needs"


async def test_a_cancel_by_somebody(engine, ends):
    run = await Baton.new(workflow_id="w").add("a", ends.scores.new()).insert()
    await run.cancel(reason="wrong customer", actor="ann")

    assert await said(run, "a") == "step 'a' was cancelled with the whole workflow by 'ann': wrong customer"
    assert await said(run) == "workflow 'w' was cancelled by 'ann': wrong customer"


async def test_a_cancel_of_a_step_says_which_role_called(engine, ends, connection):
    run = await Baton.new().add("a", ends.scores.new()).add("b", ends.scores.new(), deps=["a"]).insert()
    await run.cancel("a")
    role = await connection.fetchval("select session_user")

    because = f"step 'a' was cancelled by a call of database role {role!r}, without a reason"
    assert await said(run, "b") == f"step 'b' was cancelled because of step 'a' upstream; {because}"


async def test_a_skip_and_a_result_by_somebody(engine, ends):
    run = await Baton.new().add("a", ends.scores.new()).add("b", ends.scores.new()).insert()
    await run.skip("a", reason="not wanted", actor="ann")
    await run.complete("b", {"score": 1.0}, reason="done by phone", actor="ann")

    assert await said(run, "a") == "step 'a' was skipped by 'ann': not wanted"
    assert await said(run, "b") == "step 'b' was completed by 'ann': done by phone"


async def test_a_step_that_was_retried_forgets_who_cancelled_it(engine, ends):
    run = await Baton.new().add("a", ends.scores.new()).insert()
    await run.complete("a", {"score": 1.0}, actor="ann")
    await engine.connections.fetch("update baton.interventions set at = at - interval '1 minute'")
    await run.retry("a")
    async with WorkerPool(engine):
        await run.wait(20)

    assert await said(run, "a") == "step 'a' is completed"


async def test_deadlines(engine, ends, held):
    flow = Baton.new().add("a", held.worker.new().with_options(deadline=0.2))
    run = await ended(engine, flow.add("b", ends.scores.new().with_options(queue="nobody", start_within=0.2)))

    assert await said(run, "a") == "step 'a' was discarded: it did not end within its deadline of 0.2 s"
    assert await said(run, "b") == "step 'b' was discarded: it did not start within 0.2 s"


async def test_the_deadline_of_a_workflow(engine, held):
    run = await ended(engine, Baton.new(workflow_id="w", deadline=0.2).add("a", held.worker.new()))

    over = "it did not end within its deadline of 0.2 s"
    assert await said(run, "a") == f"step 'a' was cancelled, because the workflow was ended: {over}"
    assert await said(run) == f"workflow 'w' failed: {over}"


async def test_a_failure_that_ends_all(engine, ends, held):
    flow = Baton.new(workflow_id="w", fail_fast=True).add("a", ends.breaks.new()).add("b", held.worker.new())
    run = await ended(engine, flow)

    assert await said(run, "b") == (
        "step 'b' was cancelled, because the workflow was ended: step 'a' was discarded: ValueError: no luck"
    )


async def test_waits_that_ended(engine):
    flow = Baton.new().add("none", Signal(bool, timeout=0.2)).add("default", Signal(bool, timeout=0.2, default=True))
    flow.add("sent", Signal(bool)).add("time", Timer(seconds=0.1)).add("run", Run("nowhere"))
    async with WorkerPool(engine):
        run = await flow.insert()
        await run.signal("sent", True)
        await run.wait(20)

    assert await said(run, "none") == "step 'none' was discarded: no signal came within 0.2 s"
    assert await said(run, "default") == "step 'default' is completed with its default: its time was up"
    assert await said(run, "sent") == "step 'sent' is completed: its signal came"
    assert await said(run, "time") == "step 'time' is completed: its time has come"
    assert await said(run, "run") == "step 'run' was discarded: there is no workflow 'nowhere'"


async def test_a_run_that_ended_badly(engine, ends):
    await ended(engine, Baton.new(workflow_id="w").add("a", ends.breaks.new()))
    run = await ended(engine, Baton.new().add("r", Run("w")))

    explained = await run.explain("r")
    assert str(explained) == (
        "step 'r' was discarded: workflow 'w' failed; step 'a' was discarded: ValueError: no luck"
    )
    assert isinstance(explained.cause, causes.RunEnded)


async def test_a_closing_step_without_a_cause(engine, ends):
    run = await ended(
        engine, Baton.new().add("a", ends.scores.new()).add("alert", ends.scores.new(), runs="on failure")
    )

    assert await said(run, "alert") == "step 'alert' was skipped: nothing that it waits for failed"


async def test_a_step_that_kills_its_process_again_and_again(engine, ends, connection):
    """Its pool dies in each of its attempts."""
    run = await Baton.new().add("a", ends.breaks.new().with_options(max_attempts=1)).insert()
    pool = await engine.store.register(
        name="p", host="h", pid=1, limits={"default": 1}, workers=["breaks"], lease_seconds=600
    )
    await engine.store.claim(pool, ClaimRequest(uuid4(), {"default": 1}))
    await engine.store.deregister(pool)
    async with WorkerPool(engine):
        await eventually(lambda: _is_final(run))

    assert (await said(run, "a")).startswith("step 'a' was discarded, as its only attempt failed: ")


async def _is_final(run: Run) -> bool:
    return (await run.status()).state != "executing"


async def test_arguments_that_never_fit(engine, ends, connection):
    @worker
    async def greets(name: str) -> None: ...

    run = await Baton.new().add("a", greets.new("ann")).insert()
    await connection.execute(
        "update baton.steps set args = '{\"nom\": 1}', outcome = 'misfit', misfit_at = now() - interval '8 days'"
    )
    async with WorkerPool(engine):
        await eventually(lambda: _is_final(run))

    explained = await run.explain("a")
    assert isinstance(explained.cause, causes.NeverFitted)
    assert str(explained).startswith("step 'a' was discarded: ")


async def test_too_many_losses_and_too_many_rounds(engine, ends, connection):
    """Twenty losses and 10,000 rounds are what the engine allows; the counters are set just below."""

    @worker
    async def again() -> Again:
        return Again()

    run = await Baton.new().add("rounds", again.new()).add("lost", ends.scores.new()).insert()
    await connection.execute("update baton.steps set round = 10000 where name = 'rounds'")
    await connection.execute("update baton.steps set losses = 19, loss_rows = 19 where name = 'lost'")
    pool = await engine.store.register(
        name="p", host="h", pid=1, limits={"default": 2}, workers=["scores"], lease_seconds=600
    )
    await engine.store.claim(pool, ClaimRequest(uuid4(), {"default": 2}))
    await engine.store.deregister(pool)
    async with WorkerPool(engine):
        await eventually(lambda: _is_final(run))

    rounds, lost = await run.explain("rounds"), await run.explain("lost")
    assert isinstance(rounds.cause, causes.EndedOtherwise)
    assert "after 10,000 of them, which is the limit" in str(rounds)
    assert isinstance(lost.cause, causes.TooManyLost)
    assert str(lost).startswith("step 'lost' was discarded: too many of its attempts were lost")


async def test_a_group_that_was_not_entered_leads_to_what_came_before(engine, ends):
    flow = Baton.new().add("a", ends.breaks.new()).add("b", ends.scores.new())
    flow.add("g", Baton.new().add("x", ends.scores.new()), deps=["a"], when=result_of("b")["score"] > 0.1)
    run = await ended(engine, flow)

    because = f"was cancelled because of step 'a' upstream; {ONLY}"
    assert await said(run, "g") == f"step 'g' {because}"
    assert await said(run, "g/x") == f"step 'g/x' {because}"


async def test_a_group_that_needs_what_cannot_come(engine, ends):
    inner = Baton.new().add("x", ends.scores.new()).add("y", ends.scores.new(), deps=["x"])
    inner.add("z", ends.scores.new(), deps=["x", "y"], needs=1)
    flow = Baton.new().add("b", ends.breaks.new()).add("a", ends.breaks.new()).add("g", inner, deps=["a", "b"], needs=2)
    run = await ended(engine, flow)

    group = "step 'g' was cancelled: it needs 2 of its dependencies, and only "
    assert (await said(run, "g")).startswith(group)
    for step in ("x", "y", "z"):
        assert (await said(run, f"g/{step}")).startswith(f"step 'g/{step}' was cancelled with its group 'g'; {group}")
