"""Short programs of branches, clean-ups, sagas, quorums and races, with what each really did and how it is drawn.

Those that lose a process run in real ones, which kill themselves with SIGKILL.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from baton import Baton, Engine, Run, WorkerPool, each, failed, result_of, state_of, succeeded
from baton.cli.commands import show
from tests.database.raw_pool import assert_consistent
from tests.effects import Effects
from tests.faults.processes import expire_lease, make_retries_due, worker_process
from tests.programs.fault_workers import EFFECTS
from tests.programs.program_workers import dies_once, does, fails, fails_once, hangs, plans
from tests.waiting import eventually

SECONDS = 60


@pytest.fixture
async def pool(engine, effects, monkeypatch) -> AsyncIterator[WorkerPool]:
    """A pool in this process, whose workers write the effects log."""
    monkeypatch.setenv(EFFECTS, str(effects.path))
    async with WorkerPool(engine, poll=0.5) as pool:
        yield pool


@asynccontextmanager
async def mortal_processes(engine: Engine, connection, effects: Effects) -> AsyncIterator[None]:
    """A worker process that may die, and another one behind it, which begins when it has."""
    with worker_process(engine.connector.dsn, effects, name="first") as first:
        await first.registered(connection)
        yield
        await first.ended()
        await expire_lease(connection, first.pid)


def starts(effects: Effects) -> Counter[str]:
    """How often the code of each step began."""
    return Counter(event["step"] for event in effects.read(event="start"))


def order(effects: Effects, part: str) -> list[str]:
    """The steps with this in their names, in the order in which they began."""
    return [event["step"] for event in effects.read(event="start") if part in event["step"]]


async def states(run: Run) -> dict[str, str]:
    return {step.name: step.state for step in await run.steps()}


async def picture(run: Run, capsys) -> str:
    """What `baton show` prints."""
    capsys.readouterr()
    address = run.engine_to_ask().connector.dsn
    await show.run(
        argparse.Namespace(
            address=address, schema="baton", id=run.id, step=None, json=False, watch=False, open=[], all=True
        )
    )
    drawn = capsys.readouterr().out
    print(drawn)  # noqa: T201  # the tests are also read with -s
    return drawn


async def is_started(effects: Effects, step: str) -> bool:
    return starts(effects)[step] > 0


async def test_a_branch_that_is_not_taken_is_skipped(pool, effects, capsys):
    flow = Baton.new().add("check", does.new({"score": 9}))
    flow.add("deep", does.new("deep"), when=result_of("check")["score"] > 5)
    flow.add("quick", does.new("quick"), when=result_of("check")["score"] <= 5)
    flow.add("join", does.new([result_of("deep", default=None), result_of("quick", default=None)]))

    run = await flow.insert()

    assert await run.result(timeout=SECONDS) == ["deep", None]
    assert starts(effects) == {"check": 1, "deep": 1, "join": 1}
    assert "skipped" in await picture(run, capsys)


async def test_branches_in_a_branch_join_where_both_are_over(pool, effects, capsys):
    inner = Baton.new().add("a", does.new(1), when=result_of("kind") == "b")
    inner.add("b", does.new(2), when=result_of("kind") == "x")
    inner.add("inner join", does.new(3), deps=["a", "b"], ignore_skipped=True)
    flow = Baton.new().add("kind", does.new("x"))
    flow.add("outer", inner, when=result_of("kind") != "y").add("other", does.new(4), when=result_of("kind") == "y")

    run = await flow.add("join", does.new(5), deps=["outer", "other"], ignore_skipped=True).insert()

    assert await run.wait(timeout=SECONDS) == "completed"
    assert starts(effects) == {"kind": 1, "outer/b": 1, "outer/inner join": 1, "join": 1}
    assert "outer" in await picture(run, capsys)


@pytest.mark.parametrize(("job", "ran"), [(does, 1), (fails, 0)])
async def test_a_join_runs_if_none_failed(pool, effects, capsys, job, ran):
    flow = Baton.new().add("a", job.new()).add("b", does.new(), when=state_of("a") == "skipped")

    run = await flow.add("join", does.new(), when=~failed("a", "b")).insert()

    assert await run.wait(timeout=SECONDS) == ("completed" if ran else "failed")
    assert starts(effects)["join"] == ran
    await picture(run, capsys)


async def test_a_join_runs_if_one_succeeded(pool, effects, capsys):
    flow = Baton.new().add("a", fails.new()).add("b", does.new())

    run = await flow.add("join", does.new(), when=succeeded("a") | succeeded("b")).insert()

    assert await run.wait(timeout=SECONDS) == "failed"  # to look at a failure does not forgive it
    assert await states(run) == {"a": "discarded", "b": "completed", "join": "completed"}
    await picture(run, capsys)


@pytest.mark.parametrize(("job", "state"), [(does, "completed"), (fails, "failed")])
async def test_what_was_created_is_destroyed_however_the_work_ends(pool, effects, capsys, job, state):
    flow = Baton.new().add("create", does.new("i-7")).add("work", job.new(), deps=["create"])
    flow.add("destroy", does.new(result_of("create", default=None)), deps=["create", "work"], runs="always")
    flow.add("page", does.new(), runs="on failure")

    run = await flow.insert()

    assert await run.wait(timeout=SECONDS) == state
    assert starts(effects) == {"create": 1, "work": 1, "destroy": 1} | ({"page": 1} if state == "failed" else {})
    await picture(run, capsys)


async def test_what_was_created_is_destroyed_after_a_cancel(pool, effects, capsys):
    flow = Baton.new().add("create", does.new("i-7")).add("work", hangs.new(), deps=["create"])
    flow.add("destroy", does.new(result_of("create", default=None)), deps=["create", "work"], runs="always")
    run = await flow.insert()
    await eventually(lambda: is_started(effects, "work"), deadline=SECONDS)

    await run.cancel(reason="not wanted any more")

    assert await run.wait(timeout=SECONDS) == "cancelled"
    assert [event["step"] for event in effects.read()] == ["create", "work", "work", "destroy"]
    assert effects.read()[2]["event"] == "stopped"  # what is cleaned up has really ended
    assert "not wanted any more" in await picture(run, capsys)


async def test_what_was_created_is_destroyed_after_a_kill(engine, connection, effects, capsys, monkeypatch):
    flow = Baton.new().add("create", does.new("i-7")).add("work", dies_once.new(), deps=["create"])
    flow.add("destroy", does.new(result_of("create", default=None)), deps=["create", "work"], runs="always")

    run = await ended_by_another_process(flow, engine, connection, effects, monkeypatch)

    assert starts(effects) == {"create": 1, "work": 2, "destroy": 1}
    assert (await run.status()).state == "completed"
    await picture(run, capsys)


async def ended_by_another_process(flow, engine, connection, effects, monkeypatch) -> Run:
    """Run a workflow in a process that kills itself, then in this one to its end."""
    monkeypatch.setenv(EFFECTS, str(effects.path))
    async with mortal_processes(engine, connection, effects):
        run = await flow.insert()

    async def is_final() -> bool:
        await make_retries_due(connection)
        return (await run.status()).state != "executing"

    async with WorkerPool(engine, poll=0.3, lease=1):
        await eventually(is_final, deadline=SECONDS)
    await assert_consistent(connection)
    return run


def saga(flight=does, hotel=does, car=does, undo=does, undo_attempts: int = 5) -> Baton:
    flow = Baton.new()
    flow.add("flight", flight.new("LH1"), undo=does.new(result_of("flight", default=None)))
    undo_hotel = undo.new(result_of("hotel", default=None)).with_options(max_attempts=undo_attempts)
    flow.add("hotel", hotel.new("Ritz"), deps=["flight"], undo=undo_hotel)
    return flow.add("car", car.new("Fiat"), deps=["hotel"], undo=does.new(result_of("car", default=None)))


@pytest.mark.parametrize(
    ("failing", "undone"),
    [
        ("flight", ["flight[undo]"]),
        ("hotel", ["hotel[undo]", "flight[undo]"]),
        ("car", ["car[undo]", "hotel[undo]", "flight[undo]"]),
    ],
)
async def test_a_saga_undoes_what_began_the_last_first(pool, effects, capsys, failing, undone):
    run = await saga(**{failing: fails}).insert()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert order(effects, "[undo]") == undone
    assert set(starts(effects).values()) == {1}
    await picture(run, capsys)


async def test_a_saga_that_is_cancelled_is_undone_when_it_has_stopped(pool, effects, capsys):
    run = await saga(car=hangs).insert()
    await eventually(lambda: is_started(effects, "car"), deadline=SECONDS)

    await run.cancel()

    assert await run.wait(timeout=SECONDS) == "cancelled"
    assert order(effects, "[undo]") == ["car[undo]", "hotel[undo]", "flight[undo]"]
    events = [(event["step"], event["event"]) for event in effects.read()]
    assert events.index(("car", "stopped")) < events.index(("car[undo]", "start"))
    await picture(run, capsys)


async def test_a_saga_whose_process_is_killed_is_undone_once(engine, connection, effects, capsys, monkeypatch):
    run = await ended_by_another_process(saga(hotel=dies_once, car=fails), engine, connection, effects, monkeypatch)

    assert starts(effects)["hotel"] == 2
    assert order(effects, "[undo]") == ["car[undo]", "hotel[undo]", "flight[undo]"]
    await picture(run, capsys)


async def test_an_undo_whose_process_is_killed_runs_again(engine, connection, effects, capsys, monkeypatch):
    flow = saga(car=fails, undo=dies_once)

    run = await ended_by_another_process(flow, engine, connection, effects, monkeypatch)

    assert order(effects, "[undo]") == ["car[undo]", "hotel[undo]", "hotel[undo]", "flight[undo]"]
    assert (await run.status()).state == "failed"
    await picture(run, capsys)


async def test_a_saga_that_is_retried_books_under_other_keys(pool, effects, capsys):
    run = await saga(car=fails_once).insert()
    assert await run.wait(timeout=SECONDS) == "failed"

    assert await run.retry() == 3

    assert await run.wait(timeout=SECONDS) == "completed"
    assert [event["key"] for event in effects.read(step="hotel")] == ["hotel", "hotel~2"]
    assert starts(effects)["hotel[undo]"] == 1
    await picture(run, capsys)


async def test_a_failed_undo_is_retried_by_its_name(pool, effects, capsys):
    run = await saga(car=fails, undo=fails_once, undo_attempts=1).insert()
    assert await run.wait(timeout=SECONDS) == "failed"
    assert (await states(run))["hotel[undo]"] == "discarded"

    assert await run.retry("hotel[undo]") == 1

    assert await run.wait(timeout=SECONDS) == "failed"
    assert (await states(run))["hotel[undo]"] == "completed"
    assert starts(effects)["flight[undo]"] == 1
    await picture(run, capsys)


async def test_a_retry_forward_leaves_what_was_undone(pool, effects, capsys):
    run = await saga(car=fails_once).insert()
    assert await run.wait(timeout=SECONDS) == "failed"

    assert await run.retry(forward=True) == 1

    assert await run.wait(timeout=SECONDS) == "completed"
    assert starts(effects)["hotel"] == 1
    assert starts(effects)["car"] == 2
    await picture(run, capsys)


async def test_a_quorum_of_two_does_not_wait_for_the_third(pool, effects, capsys):
    flow = Baton.new().add("a", does.new(1)).add("b", does.new(2)).add("c", hangs.new())
    answers = [result_of("a"), result_of("b"), result_of("c")]

    run = await flow.add("synthesis", does.new(answers), needs=2, rest="cancel").insert()

    assert await run.wait(timeout=SECONDS) == "completed"
    assert await run.result("synthesis") == [1, 2]
    assert starts(effects)["synthesis"] == 1
    assert "no longer needed" in await picture(run, capsys)


async def test_the_loser_of_a_race_is_cancelled_and_fails_nobody(pool, effects, capsys):
    flow = Baton.new().add("fast", does.new("fast"))
    flow.add("slow", hangs.new(), undo=does.new(result_of("slow", default=None)))

    run = await flow.add("first", does.new([result_of("fast"), result_of("slow")]), needs=1, rest="cancel").insert()

    assert await run.wait(timeout=SECONDS) == "completed"
    assert await states(run) == {
        "fast": "completed",
        "slow": "cancelled",
        "first": "completed",
        "slow[undo]": "completed",  # it had begun
    }
    await picture(run, capsys)


async def test_a_cancelled_group_cleans_up_after_itself(pool, effects, capsys):
    inner = Baton.new().add("use", hangs.new()).add("give back", does.new(), runs="always")
    flow = Baton.new().add("other", does.new())
    run = await flow.add("borrow", inner).insert()
    await eventually(lambda: is_started(effects, "borrow/use"), deadline=SECONDS)

    await run.cancel("borrow")

    assert await run.wait(timeout=SECONDS) == "failed"
    assert await states(run) == {"other": "completed", "borrow": "cancelled"}
    assert starts(effects)["borrow/give back"] == 1
    await picture(run, capsys)


async def test_the_children_of_a_map_are_undone_side_by_side(pool, effects, capsys):
    flow = Baton.new().add("seats", does.new(each([1, 2, 3])), undo=does.new())

    run = await flow.add("pay", fails.new(), deps=["seats"]).insert()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert sorted(order(effects, "[undo]")) == [f"seats[{number}][undo]" for number in range(3)]
    await picture(run, capsys)


async def test_a_returned_graph_has_its_own_clean_up(pool, effects, capsys):
    run = await Baton.new().add("plan", plans.new(3)).insert()

    assert await run.result(timeout=SECONDS) == [0, 1, 2]
    assert starts(effects)["plan/tidy"] == 1
    await picture(run, capsys)
