"""Rounds in the database: a step, or the group around it, begins another one under the token of one outcome."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from msgspec import structs

from baton import Baton
from baton.core.outcome import Outcome
from baton.database.messages import Settlement
from tests.database.raw_groups import chain, expand, part
from tests.database.raw_pool import outcome, state, step, steps


def asks(claimed, arguments=None, *, after=0.0, keep=None):
    detail = json.dumps({"arguments": arguments or {}, "keep_rounds": keep})
    return Settlement(claimed.step_id, claimed.token, Outcome("again", detail, delay=after))


def beside(*names, returns):
    """A graph of steps that do not wait for one another."""
    made = Baton.new()
    for name in names:
        made.add(name, part.new())
    return made.returns(returns)


async def test_a_round_replaces_arguments_and_drops_their_references(pool, psql):
    """The others stay, to the digit."""
    one = structs.replace(step("a").spec, args='{"x":1e22,"y":null,"z":null}', references='[[["y"],"b"],[["z",0],"b"]]')
    await pool.insert("w", structs_step(one))
    (claimed,) = await pool.claim()

    await pool.settle(asks(claimed, {"y": [1]}))

    (again,) = await pool.claim()
    assert json.loads(again.args) == {"x": 1e22, "y": [1], "z": None}
    assert "1e22" in again.args
    assert json.loads(again.arg_refs) == [[["z", 0], "b"]]
    assert (again.attempt, again.generation) == (1, 2)


def structs_step(spec):
    made = step("a")
    return type(made)(made.name, made.deps, made.reads, spec)


async def test_a_replayed_outcome_begins_one_round(pool, psql):
    """Before the next claim and after it."""
    await pool.insert("w", step("a"))
    (claimed,) = await pool.claim()

    assert await pool.settle(asks(claimed)) == [True]
    assert await pool.settle(asks(claimed)) == [True]
    await pool.claim()
    assert await pool.settle(asks(claimed)) == [True]

    assert await psql.fetchval("select round from steps") == 2


async def test_a_stale_outcome_beside_the_valid_one_begins_no_round(pool, psql):
    await pool.insert("w", step("a"))
    (stale,) = await pool.claim()
    await pool.settle(outcome(stale, "given_back"))
    (claimed,) = await pool.claim()

    assert await pool.settle(asks(stale, {"n": "stale"}), asks(claimed, {"n": "valid"})) == [False, True]

    found = await psql.fetchrow("select round, args::text as args from steps")
    assert (found["round"], json.loads(found["args"])) == (2, {"n": "valid"})


async def test_a_lost_attempt_repeats_its_round(pool, psql):
    await pool.insert("w", step("a"))
    (claimed,) = await pool.claim()
    await pool.settle(asks(claimed, {"n": 1}))
    (claimed,) = await pool.claim()
    await pool.settle(outcome(claimed, "lost", delay=0))

    (again,) = await pool.claim()

    assert (again.args, again.generation, again.attempt) == ('{ "n" : 1 }', 2, 2)


async def test_a_round_waits_as_long_as_it_says(pool, psql):
    await pool.insert("w", step("a"))
    (claimed,) = await pool.claim()

    await pool.settle(asks(claimed, after=600))

    wait = await psql.fetchrow(
        "select state, attempt, extract(epoch from scheduled_at - clock_timestamp()) as s from queue"
    )
    assert (wait["state"], wait["attempt"]) == ("scheduled", 0)
    assert 590 < wait["s"] <= 600


async def test_the_ten_thousandth_round_is_the_last(pool, psql):
    await pool.insert("w", step("a"))
    await psql.execute("update steps set round = 10000")
    (claimed,) = await pool.claim()

    assert await pool.settle(asks(claimed)) == [True]

    found = (await steps(psql, "w"))["a"]
    assert found["state"] == "discarded"
    assert "10,000" in found["reason"]


async def test_a_group_begins_its_round_after_it_is_judged(pool, psql):
    """And once, whatever is replayed."""
    await pool.insert("w", step("g"), step("after", "g"))
    (claimed,) = await pool.claim()
    await expand(pool, claimed, chain("x", "y"))
    await pool.end("w", completed="g/x")
    (last,) = await pool.claim()

    assert await pool.settle(asks(last, {"n": 1})) == [True]
    (join,) = await pool.claim()
    assert (join.step, join.is_join) == ("g", True)
    assert await pool.settle(outcome(join, "joined")) == [True]
    assert await pool.settle(outcome(join, "joined"), asks(last, {"n": 1})) == [True, True]

    (again,) = await pool.claim()
    assert (again.step, again.is_join, again.attempt, again.generation) == ("g", False, 1, 2)
    assert json.loads(again.args) == {"n": 1}
    assert await psql.fetchval("select round from steps where name = 'g'") == 2


async def test_the_steps_of_a_round_are_named_after_it(pool, psql):
    await pool.insert("w", step("g"))
    for number in range(3):
        claims = {one.step: one for one in await pool.claim()}
        await expand(pool, claims["g"], chain("x"))
        ((last,), name) = (await pool.claim(), "g/x" if number == 0 else f"g[#{number + 1}]/x")
        assert last.step == name
        await pool.settle(asks(last))
        (join,) = await pool.claim()
        await pool.settle(outcome(join, "joined"))

    assert sorted(await steps(psql, "w")) == ["g", "g/x", "g[#2]/x", "g[#3]/x"]
    assert await psql.fetchval("select remaining from workflows") == 1


async def test_a_failing_graph_begins_no_round(pool, psql):
    await pool.insert("w", step("g"))
    (claimed,) = await pool.claim()
    await expand(pool, claimed, beside("x", "y", returns="y"))
    await pool.claim()
    await pool.settle(asks(pool.held["w", "g/y"]), outcome(pool.held["w", "g/x"], "discarded"))
    (join,) = await pool.claim()

    await pool.settle(outcome(join, "joined"))

    assert await state(psql, "w") == "failed"
    assert await psql.fetchval("select round from steps where name = 'g'") == 1


async def test_a_cancelled_group_begins_no_round(pool, psql):
    await pool.insert("w", step("g"))
    (claimed,) = await pool.claim()
    await expand(pool, claimed, chain("x"))
    (last,) = await pool.claim()
    await pool.settle(asks(last))
    (join,) = await pool.claim()
    await pool.cancel("w")

    assert await pool.settle(outcome(join, "joined")) == [False]

    assert await state(psql, "w") == "cancelled"


async def test_a_retried_step_may_ask_again_or_not(pool, psql):
    """What it asked for the first time is forgotten."""
    await pool.insert("w", step("g"))
    (claimed,) = await pool.claim()
    await expand(pool, claimed, beside("x", "y", returns="y"))
    await pool.claim()
    await pool.settle(asks(pool.held["w", "g/y"]), outcome(pool.held["w", "g/x"], "discarded"))
    (join,) = await pool.claim()
    await pool.settle(outcome(join, "joined"))

    await pool.retry("w", "g/x", "g/y")
    await pool.end("w", completed="g/x g/y")
    (join,) = await pool.claim()
    await pool.settle(outcome(join, "joined"))

    assert await state(psql, "w") == "completed"


async def test_a_step_of_an_earlier_round_cannot_be_retried(pool, psql):
    await pool.insert("w", step("g"))
    (claimed,) = await pool.claim()
    await expand(pool, claimed, chain("x"))
    (last,) = await pool.claim()
    await pool.settle(asks(last))
    (join,) = await pool.claim()
    await pool.settle(outcome(join, "joined"))
    await pool.end("w", completed="g")

    assert list((await pool.retry("w", "g/x")).refused) == ["g/x"]


@pytest.mark.parametrize(("keep", "names"), [(0, ["g", "g[#3]/x"]), (1, ["g", "g[#2]/x", "g[#3]/x"])])
async def test_rounds_that_are_not_kept_are_deleted(pool, psql, keep, names):
    """With what is nested in them; ordinals are not used again, and the steps outside do not refer to them."""
    await pool.insert("w", step("g"))
    for _ in range(2):
        (claimed,) = await pool.claim()
        await expand(pool, claimed, chain("x"))
        (last,) = await pool.claim()
        await pool.settle(asks(last, keep=keep))
        (join,) = await pool.claim()
        await pool.settle(outcome(join, "joined"))
    (claimed,) = await pool.claim()
    await expand(pool, claimed, chain("x"))

    assert sorted(await steps(psql, "w")) == names
    flow = await psql.fetchrow("select total, next_ordinal from workflows")
    assert tuple(flow) == (len(names), 4)
    assert await psql.fetchval("select max(id & 4194303) from steps") == 3


async def test_rounds_are_pruned_with_their_workflow(pool, psql):
    await pool.insert("w", step("a"))
    (claimed,) = await pool.claim()
    await pool.settle(asks(claimed))
    await pool.end("w", completed="a")

    assert (await pool.store.prune(timedelta(0), limit=10)).workflows == 1
