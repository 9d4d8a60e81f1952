"""Rows that no call can change are passed over by upkeep, named, and hold up no others."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.database.raw_pool import RawPool, outcome, states, step

REFUSED = "create function refuse() returns trigger language plpgsql as $$ begin raise exception 'not this one'; end $$"
REFUSE_STAGING = f"""
    {REFUSED};
    create trigger refuse before update on queue for each row
        when (new.state = 'available' and new.priority = 9) execute function refuse()
"""
REFUSE_DEATH = f"""
    {REFUSED};
    create trigger refuse before update on pools for each row
        when (new.dead_at is not null and new.name = 'stubborn') execute function refuse()
"""
REFUSE_RESCUE = "alter table steps add constraint no_rescue check (name not like 'bad%' or errors is null) not valid"
LET_ALL_EXPIRE = "update pools set expires_at = clock_timestamp() - interval '1 second'"
AGE = """
    update workflows
       set finished_at = finished_at - interval '10 days',
           inserted_at = inserted_at - interval '11 days'
"""
MAKE_DUE = "update queue set scheduled_at = clock_timestamp()"


@pytest.fixture
async def mend(psql):
    """Undo in the end what makes a row fail, and what it left half done."""
    yield
    await psql.execute("drop trigger if exists refuse on queue; drop trigger if exists refuse on pools")


@pytest.mark.parametrize("bad", [(0,), (39,), (7, 8), (3, 20, 31)], ids=str)
async def test_a_rescue_passes_over_the_steps_that_make_it_fail(pool, other, psql, bad):
    """Wherever they are in the batch, which is halved until each is alone."""
    names = [f"bad {n}" if n in bad else f"good {n}" for n in range(40)]
    for name in names:
        await pool.insert(name, step(name))
    await pool.claim()
    await psql.execute(REFUSE_RESCUE)
    await pool.store.deregister(pool.id)

    rescued = await other.store.rescue(limit=1000)

    assert rescued.lost == 40 - len(bad)
    wanted = {f"step 'bad {n}' of workflow 'bad {n}'" for n in bad}
    assert {one.row for one in rescued.passed_over} == wanted
    assert {'violates check constraint "no_rescue" (23514)' in one.error for one in rescued.passed_over} == {True}
    assert {(await states(psql, name))[name] for name in names if name.startswith("good")} == {"retryable"}
    assert await psql.fetchval("select count(*) from queue where state = 'executing'") == len(bad)


async def test_a_step_that_was_passed_over_is_rescued_when_it_is_mended(pool, other, psql):
    await pool.insert("w", step("bad"))
    await pool.claim()
    await psql.execute(REFUSE_RESCUE)
    await pool.store.deregister(pool.id)
    assert (await other.store.rescue(limit=1000)).lost == 0
    assert (await other.store.upkeep_due()).orphans

    await psql.execute("alter table steps drop constraint no_rescue")

    assert (await other.store.rescue(limit=1000)).lost == 1
    assert not (await other.store.upkeep_due()).orphans


async def test_steps_that_cannot_be_rescued_leave_others_their_turn(pool, other, psql):
    """Although there are more of them than one call takes."""
    for n in range(8):
        await pool.insert(f"bad {n}", step(f"bad {n}"))
    await pool.insert("good", step("good"))
    await pool.claim()
    await psql.execute(REFUSE_RESCUE)
    await pool.store.deregister(pool.id)

    for _ in range(200):
        if (await other.store.rescue(limit=2)).lost:
            break

    assert await states(psql, "good") == {"good": "retryable"}


async def test_a_workflow_that_cannot_be_deleted_is_passed_over(pool, psql):
    """As one that the application's own table refers to."""
    for name in ("first", "referenced", "last"):
        await pool.insert(name, step("a"))
    await pool.finish()
    await psql.execute(AGE)
    await psql.execute(
        "create table orders (flow text references workflows (id)); insert into orders values ('referenced')"
    )

    pruned = await pool.store.prune(timedelta(days=7), limit=1000)

    assert pruned.workflows == 2
    (one,) = pruned.passed_over
    assert one.row == "workflow 'referenced'"
    assert "(23503)" in one.error
    assert await psql.fetchval("select string_agg(id, ' ') from workflows") == "referenced"


async def test_pruning_goes_on_past_workflows_that_cannot_be_deleted(pool, psql):
    for name in ("referenced 1", "referenced 2", "old"):
        await pool.insert(name, step("a"))
    await pool.finish()
    await psql.execute(AGE)
    await psql.execute(
        "create table orders (flow text references workflows (id));"
        "insert into orders values ('referenced 1'), ('referenced 2')"
    )

    assert (await pool.store.prune(timedelta(days=7), limit=1)).workflows == 1

    assert await psql.fetchval("select count(*) from workflows where id = 'old'") == 0


async def test_an_entry_that_cannot_be_staged_is_passed_over(pool, psql, mend):
    await pool.insert(
        "w", step("a", schedule_in=60), step("bad", schedule_in=60, priority=9), step("c", schedule_in=60)
    )
    await psql.execute(MAKE_DUE)
    await psql.execute(REFUSE_STAGING)

    staged = await pool.store.stage(limit=1000)

    assert staged.staged == 2
    assert [(one.row, one.error) for one in staged.passed_over] == [
        ("step 'bad' of workflow 'w'", "not this one (P0001)")
    ]
    assert await states(psql, "w") == {"a": "available", "bad": "scheduled", "c": "available"}


async def test_an_entry_that_cannot_be_staged_does_not_hasten_the_next_round(pool, psql, mend):
    """It is due all the time, and a round that finds nothing else to do must not be followed by another at once."""
    await pool.insert("w", step("bad", schedule_in=60, priority=9))
    await psql.execute(MAKE_DUE)
    await psql.execute(REFUSE_STAGING)

    assert (await pool.store.stage(limit=1000)).next_in is None


async def test_entries_that_cannot_be_staged_leave_others_their_turn(pool, psql, mend):
    bad = [step(f"bad {n}", schedule_in=60, priority=9) for n in range(5)]
    await pool.insert("w", *bad, step("good", schedule_in=60))
    await psql.execute(MAKE_DUE)
    await psql.execute(REFUSE_STAGING)

    await pool.store.stage(limit=1)

    assert (await states(psql, "w"))["good"] == "available"


async def test_a_pool_that_cannot_be_marked_dead_is_passed_over(pool, other, psql, connect, mend):
    third = await RawPool.register(await connect())
    await psql.execute("update pools set name = 'stubborn' where id = $1", other.id)
    await psql.execute(LET_ALL_EXPIRE)
    await psql.execute(REFUSE_DEATH)

    marked = await third.store.mark_dead()

    assert marked.died == 2
    assert [one.row for one in marked.passed_over] == [f"worker pool {other.id} (stubborn)"]


@pytest.mark.parametrize("time", ["infinity", "-infinity"])
async def test_an_infinite_time_does_not_stop_the_upkeep(pool, psql, time):
    """PostgreSQL up to 16 cannot subtract it."""
    await pool.insert("w", step("endless", schedule_in=60), step("a", schedule_in=60))
    await psql.execute("update queue set scheduled_at = now() where step_id = (select max(step_id) from queue)")
    await psql.execute("update queue set scheduled_at = $1::text::timestamptz where scheduled_at > now()", time)

    due, staged = await pool.store.upkeep_due(), await pool.store.stage(limit=1000)

    is_due = time == "-infinity"
    assert (due.next_in, staged.staged) == (0, 1 + is_due)
    assert staged.next_in is None if is_due else 86_399 < staged.next_in <= 86_400


async def test_a_time_to_keep_that_no_interval_can_hold_prunes_nothing(pool, psql):
    await pool.insert("w", step("a"))
    await pool.finish()

    assert (await pool.store.prune(timedelta.max, limit=10)).workflows == 0


async def test_the_engine_works_while_all_tables_are_published(pool, other, psql):
    """A table without a key cannot be updated then."""
    await psql.execute("create publication everything for all tables")
    await pool.insert("w", step("a"), step("b", "a", schedule_in=60))
    (claimed,) = await pool.claim()
    await pool.heartbeat(claimed.token)
    await pool.settle(outcome(claimed, "completed"))
    await pool.store.pause("default")
    await pool.store.resume("default")
    await pool.cancel("w")
    await psql.execute(LET_ALL_EXPIRE)
    await psql.execute("update workflows set finished_at = finished_at - interval '10 days'")

    done = await other.run_upkeep(keep=timedelta(days=7))

    assert (done.died, done.pruned) == (2, 1)
    await psql.execute("drop publication everything")


async def test_every_table_has_a_primary_key(psql):
    found = await psql.fetch(
        """
        select c.relname
          from pg_class c
         where c.relnamespace = 'baton'::regnamespace
           and c.relkind = 'r'
           and not exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary)
        """
    )

    assert [row["relname"] for row in found] == []


async def test_upkeep_is_due_when_a_lease_ran_out_or_an_entry_is_orphaned(pool, other, psql):
    await pool.insert("w", step("a"))
    await pool.claim()
    idle = await other.store.upkeep_due()
    await psql.execute("update pools set expires_at = now() - interval '1 second' where id = $1", pool.id)
    expired = await other.store.upkeep_due()
    await other.store.mark_dead()
    marked = await other.store.upkeep_due()

    assert [(found.deaths, found.orphans) for found in (idle, expired, marked)] == [
        (False, False),
        (True, False),
        (False, True),
    ]


async def test_a_heartbeat_stores_what_fails_in_its_pool(pool, psql):
    await pool.store.heartbeat(pool.id, 1, [], [], 30, ["prune fails: no"])
    reported = await psql.fetchval("select failures from pools where id = $1", pool.id)
    await pool.store.heartbeat(pool.id, 2, [], [], 30)

    assert reported == ["prune fails: no"]
    assert await psql.fetchval("select failures from pools where id = $1", pool.id) == []
