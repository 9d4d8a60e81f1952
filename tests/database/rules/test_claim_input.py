"""What a claim delivers is bounded, and a step that cannot be claimed or delivered to does not keep the others."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest

from baton import Baton, result_of
from baton.database.messages import ClaimRequest
from tests.database.raw_groups import flow, insert, part
from tests.database.raw_pool import outcome, states, step

REFUSE_CLAIM = """
    create function refuse() returns trigger language plpgsql as $$ begin raise exception 'not this one'; end $$;
    create trigger refuse before update on queue for each row
        when (new.state = 'executing' and new.priority = 9) execute function refuse()
"""


def request(input_bytes, **limits):
    return ClaimRequest(uuid4(), limits or {"default": 1000}, input_bytes=input_bytes)


async def reader_of(pool, *results, **options):
    """Complete steps with these results as JSON, and leave a step that reads them all."""
    names = [f"s{n}" for n in range(len(results))]
    await pool.insert("w", *[step(name) for name in names], step("reader", *names, reads=names, **options))
    claimed = await pool.claim()
    await pool.settle(*[outcome(one, "completed", results[int(one.step[1:])]) for one in claimed])


async def insert_group(pool, returns=None):
    """The group "g" of two steps, and "reader", which reads its result."""
    group = Baton.new().add("x", part.new()).add("y", part.new())
    if returns is not None:
        group.returns(returns)
    await insert(pool, flow().add("g", group).add("reader", part.new(value=result_of("g"))))


def text(size):
    """A JSON string of this many bytes that compresses well."""
    return '"' + "x" * (size - 2) + '"'


@pytest.mark.parametrize("limit", [100_000, 99_999])
async def test_results_within_the_limit_are_delivered_and_larger_ones_are_not(pool, limit):
    await reader_of(pool, *[text(25_000)] * 4)

    (claimed,) = await pool.store.claim(pool.id, request(limit))

    assert claimed.step == "reader"
    if limit == 100_000:
        assert (len(claimed.results) > 100_000, claimed.undeliverable) == (True, None)
    else:
        assert (claimed.results, claimed.outcomes) == (None, None)
        assert claimed.undeliverable == (
            "the results that it reads have 100,000 bytes as JSON, and the limit is 99,999; "
            "store the data elsewhere and return where it is"
        )
    await pool.settle(outcome(claimed, "completed"))


async def test_what_is_too_large_for_one_step_is_no_matter_for_the_others(pool):
    await reader_of(pool, text(50_000), text(50_000))
    await pool.insert("v", step("a"), step("b"))

    claimed = await pool.store.claim(pool.id, request(60_000))

    assert [(one.step, one.undeliverable is None) for one in claimed] == [("reader", False), ("a", True), ("b", True)]
    await pool.settle(*[outcome(one, "completed") for one in claimed])


async def test_the_outcomes_in_a_context_count(pool):
    names = [f"s{n}" for n in range(20)]
    reader = step("reader", *names, reads=names, takes_context=True, ignoring="skipped")
    await pool.insert("w", *[step(name) for name in names], reader)
    await pool.settle(*[outcome(one, "skipped", "y" * 1000) for one in await pool.claim()])

    (claimed,) = await pool.store.claim(pool.id, request(20_000))

    assert claimed.undeliverable is not None
    await pool.settle(outcome(claimed, "completed"))


async def test_the_results_that_a_group_puts_together_count(pool):
    await insert_group(pool)
    await pool.settle(*[outcome(one, "completed", text(30_000)) for one in await pool.claim()])
    await pool.settle(*[outcome(one, "joined") for one in await pool.claim()])

    (claimed,) = await pool.store.claim(pool.id, request(50_000))

    assert claimed.undeliverable.startswith("the results that it reads have 60,000 bytes as JSON")
    await pool.settle(outcome(claimed, "completed"))


async def test_of_a_group_only_the_result_it_returns_counts(pool):
    await insert_group(pool, returns="y")
    await pool.settle(*[outcome(one, "completed", text(30_000)) for one in await pool.claim()])
    await pool.settle(*[outcome(one, "joined") for one in await pool.claim()])

    (claimed,) = await pool.store.claim(pool.id, request(50_000))

    assert (claimed.undeliverable, len(claimed.results) > 30_000) == (None, True)
    await pool.settle(outcome(claimed, "completed"))


@pytest.mark.slow
async def test_a_step_that_reads_more_than_a_gigabyte_is_claimed_without_it(pool, psql):
    """140 results of 8 MB: one value of PostgreSQL holds less than 1 GB, and to put them together fails."""
    await reader_of(pool, *["1"] * 140)
    await psql.execute("update steps set result = to_json(repeat('x', (8 << 20) - 2)) where name <> 'reader'")
    await pool.insert("v", step("a"))

    claimed = await pool.store.claim(pool.id, request(256 << 20))

    assert [one.step for one in claimed] == ["reader", "a"]
    assert claimed[0].undeliverable.startswith("the results that it reads have 1,174,405,120 bytes as JSON")
    await pool.settle(*[outcome(one, "completed") for one in claimed])


async def returning_itself(pool, psql):
    """A group whose result is its own, which nobody can put together, and a step that reads it; beside others."""
    await insert_group(pool, returns="y")
    await pool.settle(*[outcome(one, "completed") for one in await pool.claim()])
    await pool.settle(*[outcome(one, "joined") for one in await pool.claim()])
    await psql.execute("update steps set returns = (id & 4194303)::integer where name = 'g'")
    await pool.insert("v", step("a"), step("b"))


async def test_a_separate_claim_names_the_step_whose_results_fail(pool, psql):
    await returning_itself(pool, psql)

    separate = await pool.store.claim_separately(pool.id, request(1 << 20))

    assert [one.step for one in separate.claimed] == ["reader", "a", "b"]
    reader, *others = separate.claimed
    why = "the results that it reads cannot be put together: stack depth limit exceeded (54001)"
    assert reader.undeliverable == why
    assert [one.undeliverable for one in others] == [None, None]
    await pool.settle(*[outcome(one, "completed") for one in separate.claimed])
    await psql.execute("update steps set returns = first_child + 1 where name = 'g'")


async def test_a_separate_claim_passes_over_what_cannot_be_claimed(pool, psql):
    await pool.insert("w", step("bad", priority=9), step("a"), step("b"))
    await psql.execute(REFUSE_CLAIM)

    separate = await pool.store.claim_separately(pool.id, request(1 << 20))

    assert [one.step for one in separate.claimed] == ["a", "b"]
    assert [(one.row, one.error) for one in separate.passed_over] == [
        ("step 'bad' of workflow 'w'", "not this one (P0001)")
    ]
    await psql.execute("drop trigger refuse on queue")


async def test_what_cannot_be_claimed_takes_no_slot_of_a_separate_claim(pool, psql):
    await pool.insert("w", step("bad", priority=9), step("bad too", priority=9), step("a", priority=10))
    await psql.execute(REFUSE_CLAIM)

    separate = await pool.store.claim_separately(pool.id, request(1 << 20, default=1))

    assert [one.step for one in separate.claimed] == ["a"]
    await psql.execute("drop trigger refuse on queue")


async def test_a_separate_claim_is_like_any_other(pool, other, psql):
    """It counts the attempt, keeps to limits and order, and gives nothing of a paused queue or to a dead pool."""
    await pool.insert("w", step("a"), step("b"), step("c"), step("x", queue="paused"))
    await pool.store.pause("paused")
    await other.store.deregister(other.id)

    nothing = await other.store.claim_separately(other.id, request(1 << 20))
    separate = await pool.store.claim_separately(pool.id, request(1 << 20, default=2, paused=2))

    assert nothing.claimed == []
    assert [(one.step, one.attempt) for one in separate.claimed] == [("a", 1), ("b", 1)]
    assert await states(psql, "w") == {"a": "executing", "b": "executing", "c": "available", "x": "available"}


async def test_a_separate_claim_that_is_sent_again_returns_what_the_first_took(pool):
    """And so it does after an ordinary claim under the same token, whose answer was lost."""
    await pool.insert("w", *[step(f"s{n}") for n in range(4)])
    claiming = request(1 << 20, default=2)

    taken = [
        await pool.store.claim(pool.id, claiming),
        (await pool.store.claim_separately(pool.id, claiming)).claimed,
        (await pool.store.claim_separately(pool.id, replace(claiming, limits={"default": 1}))).claimed,
    ]

    assert [[one.step for one in claimed] for claimed in taken] == [["s0", "s1"]] * 3
