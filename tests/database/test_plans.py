"""The engine's statements find what they need by index, with ten rows stored and with two hundred thousand.

The server explains each statement inside the functions as it ran, from the plans the connection has cached.
"""

from __future__ import annotations

import json
from datetime import timedelta
from uuid import uuid4

import pytest

from baton.core.expansion import Expansion
from baton.core.outcome import Outcome
from baton.core.spec import (
    Extras,
    Map,
    MessageSpec,
    OuterDependencies,
    RunSpec,
    SignalSpec,
    SubWorkflow,
    TimerSpec,
    WaitSpec,
)
from baton.database.messages import ClaimRequest, Part, Settlement
from tests.database.raw_pool import RawPool, outcome, step, workflow

MANY = 200_000
QUEUED = 20_000
TABLES = {"steps", "queue", "workflows", "signals", "messages", "receivers"}
# These hold only what their statements look for, so that a statement may read them from end to end.
SPARSE = {"queue_due", "queue_held", "queue_ending", "signals_new", "messages_new"}
ROWS_AT_MOST = 100
"""A statement of a call on a workflow of four steps meets no more."""

EXPLAIN = """
    load 'auto_explain';
    set auto_explain.log_min_duration = 0;
    set auto_explain.log_nested_statements = on;
    set auto_explain.log_analyze = on;
    set auto_explain.log_timing = off;
    set auto_explain.log_format = json;
    set auto_explain.log_level = notice;
    set jit_above_cost = 0;
"""
LOAD = f"""
    insert into workflows (id, fingerprint, total, remaining, state, finished_at)
    select 'old ' || n, '1:x', 10, 0, 'completed', now() from generate_series(1, {MANY // 10}) as n;
    insert into steps (id, name, worker, args, queue, priority, max_attempts, ignore_cancelled, ignore_discarded,
                       ignore_skipped, dependencies, dependents, pending, state, result, finished_at)
    select step_of(w.key, n), 's' || n, 'work', '{{}}', 'default', 0, 20, false, false, false,
           case when n > 0 then array[n - 1] else '{{}}' end, case when n < 9 then array[n + 1] else '{{}}' end,
           0, 'completed', '1', now()
      from workflows w, generate_series(0, 9) as n
     where w.id like 'old %';
    insert into workflows (id, fingerprint, total, remaining)
    select 'new ' || n, '1:x', 1, 1 from generate_series(1, {QUEUED}) as n;
    insert into steps (id, name, worker, args, queue, priority, max_attempts, ignore_cancelled, ignore_discarded,
                       ignore_skipped, dependencies, dependents, pending, state)
    select step_of(w.key, 0), 's', 'work', '{{}}', 'default', 0, 20, false, false, false, '{{}}', '{{}}', 0, 'queued'
      from workflows w
     where w.id like 'new %';
    insert into queue (step_id, scheduled_at, position, priority, state, queue)
    select step_of(w.key, 0), now(), now(), 0, 'available', 'default' from workflows w where w.id like 'new %';
    insert into workflows (id, fingerprint, total, remaining)
    select 'waiting ' || n, '1:x', 1, 1 from generate_series(1, {QUEUED}) as n;
    insert into steps (id, name, worker, args, queue, priority, max_attempts, ignore_cancelled, ignore_discarded,
                       ignore_skipped, dependencies, dependents, pending, state, awaits)
    select step_of(w.key, 0), 's', 'baton.signal', '{{}}', 'default', 0, 1, false, false, false, '{{}}', '{{}}', 0,
           'queued', '{{"type": "signal"}}'
      from workflows w
     where w.id like 'waiting %';
    insert into signals (workflow, name, step_id)
    select w.key, 's', step_of(w.key, 0) from workflows w where w.id like 'waiting %';
    insert into queue (step_id, scheduled_at, position, priority, state, queue)
    select step_of(w.key, 0), now(), now(), 0, 'waiting', 'default' from workflows w where w.id like 'waiting %';
"""
NOT_OURS = ('select * from "baton".', "SELECT current_setting('jit')")
"""The call of a function is the application's statement; asyncpg makes the other one."""


class Plans:
    """The plans of what a connection ran since they were last read."""

    def __init__(self, connection):
        self._messages = []
        connection.add_log_listener(lambda _, notice: self._messages.append(notice.message))

    def faults(self, demand_few_rows):
        messages, self._messages = self._messages, []
        found = [json.loads(message.partition("plan:\n")[2]) for message in messages if "plan:\n" in message]
        assert found
        return {
            f"{fault} in: {' '.join(plan['Query Text'].split())[:300]}"
            for plan in found
            for fault in (
                *faults_of_plan(plan),
                *(f for n in nodes(plan["Plan"]) for f in faults_of(n, demand_few_rows)),
            )
        }


def faults_of_plan(plan):
    # Only servers that can compile report this.
    if "JIT" in plan and not " ".join(plan["Query Text"].split()).startswith(NOT_OURS):
        yield "compiled"


def nodes(plan):
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)


def faults_of(node, demand_few_rows):
    table, index = node.get("Relation Name"), node.get("Index Name", "")
    if node["Node Type"] == "Seq Scan" and table in TABLES:
        yield f"sequential scan of {table}"
    is_ours = index.partition("_")[0] in TABLES
    if is_ours and "Scan" in node["Node Type"] and "Index Cond" not in node and index not in SPARSE:
        yield f"{index} is read from end to end"
    met = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
    if demand_few_rows and met > ROWS_AT_MOST and (is_ours or table in TABLES):
        yield f"{node['Node Type']} of {table or index} meets {met} rows"


@pytest.fixture
async def pool(connection):
    # An automatic analyze, or this change, would have the plans made again.
    for table in TABLES:
        await connection.execute(f"alter table {table} set (autovacuum_enabled = off)")
    await connection.execute(EXPLAIN)
    return await RawPool.register(connection)


@pytest.fixture
def plans(pool):
    return Plans(pool.connection)


async def call_everything(pool, round_number):
    """Make each call on small workflows, in a queue of its own beside the full one."""
    flow, beside = f"flow {round_number}", f"beside {round_number}"
    lane = {"queue": "drill"}
    graph = [
        step("a", **lane),
        step("b", "a", **lane),
        step("c", "a", reads=["a"], **lane),
        step("d", "b", "c", **lane),
    ]
    await pool.insert(flow, *graph)
    await pool.insert(flow, *graph)
    await pool.insert(beside, *graph)
    await pool.store.watch(flow, None)
    await pool.store.watch(flow, "d")
    first, second = await pool.claim(queue="drill")
    await pool.settle(outcome(first, "completed"), outcome(second, "failed", delay=0))
    done = await pool.advance(queue="drill")
    await pool.advance(*[outcome(claimed, "completed") for claimed in done.claimed], queue="drill")
    await pool.settle(*[outcome(claimed, "discarded") for claimed in pool.held.values()])
    await pool.cancel(beside, "b")
    await pool.cancel(beside)
    await pool.retry(beside)
    await pool.cancel(beside)
    await pool.claim(limit=5)
    await pool.settle(*[outcome(claimed, "given_back") for claimed in pool.held.values()])
    await call_group_functions(pool, f"groups {round_number}")
    await call_waits(pool, f"waits {round_number}")
    await call_rounds(pool, f"rounds {round_number}")
    await pool.heartbeat()
    await pool.store.upkeep_due()
    await pool.run_upkeep(keep=timedelta(days=7), limit=10)
    await pool.store.claim(pool.id, ClaimRequest(uuid4(), {"nobody's": 5}))
    pool.held.clear()


async def call_rounds(pool, flow):
    """A step that keeps values, snoozes, is lost and begins another round; then a group that does."""
    lane = {"queue": "drill", "takes_context": True}
    await pool.insert(flow, step("g", **lane))
    snooze = Outcome("snoozed", "later", delay=0, keep="1")
    again = Outcome("again", '{"arguments":{"n":1},"keep_rounds":0}', delay=0)
    (claimed,) = await pool.claim(queue="drill")
    await pool.store.keep(claimed, "1")
    for outcome_of in [snooze, Outcome("lost", delay=0), Outcome("failed", delay=0), again]:
        await pool.settle(Settlement(claimed.step_id, claimed.token, outcome_of))
        (claimed,) = await pool.claim(queue="drill")
    for kind in ["again", "discarded"]:
        graph = workflow("graph", step("a", **lane))
        await pool.store.expand(claimed, Expansion(tuple(graph.steps), 1, None), Part(None, 0, 1), 100)
        (child,) = await pool.claim(queue="drill")
        await pool.store.round_worker(child)
        ended = again if kind == "again" else Outcome("discarded", "no")
        (join,) = (await pool.advance(Settlement(child.step_id, child.token, ended), queue="drill")).claimed
        (claimed, *_) = (await pool.advance(outcome(join, "joined"), queue="drill")).claimed or [join]
    await pool.retry(flow)
    await pool.settle(*[outcome(one, "completed") for one in await pool.claim(queue="drill")])
    await pool.settle(*[outcome(one, "joined") for one in await pool.claim(queue="drill")])
    pool.held.clear()


async def call_waits(pool, flow):
    """A signal that comes early, one that comes in time, one that comes never, a timer, a message, and another run."""
    waits: dict[str, WaitSpec] = {
        "a": SignalSpec(),
        "b": SignalSpec(),
        "c": SignalSpec(seconds=0.001),
        "d": TimerSpec(seconds=0.001),
    }
    waits |= {"e": MessageSpec("topic"), "f": MessageSpec("topic"), "g": RunSpec(f"{flow} other"), "h": RunSpec("none")}
    await pool.insert(f"{flow} other", step("x", queue="other"))
    first = step("x", queue="drill")
    await pool.insert(flow, first, *[step(name, "x", extras=Extras(awaits=spec)) for name, spec in waits.items()])
    await pool.store.record_signal(flow, "a", "1", "key")
    await pool.advance(*[outcome(one, "completed") for one in await pool.claim(queue="drill")], queue="drill")
    await pool.store.record_signal(flow, "b", "1", "key")
    await pool.store.record_message(flow, "topic", "1", "key")
    assert (await pool.store.end_waits(limit=10)).ended
    await pool.store.record_message(flow, "topic", "2", "other key")
    await pool.store.watch_runs(limit=10)
    await pool.cancel(f"{flow} other")
    assert (await pool.store.end_waits(limit=10)).ended
    await pool.store.upkeep_due()
    await pool.retry(flow, "b", "e")
    pool.held.clear()


async def call_group_functions(pool, flow):
    """A sub-workflow of a map and of a step that returns a graph; then cancel, retry, join."""
    lane = {"queue": "drill"}
    items = Extras(Map(("n",), None, (0,)))
    await pool.insert(
        flow,
        step("x", **lane),
        step("g", "x", extras=Extras(SubWorkflow(3, 2)), **lane),
        step("last", "g", reads=["g"], takes_context=True, **lane),
        step("g/map", "x", parent=1, extras=items, concurrency=1, reads=["x"], **lane),
        step("g/tree", "g/map", parent=1, **lane),
    )
    await pool.advance(*[outcome(one, "completed") for one in await pool.claim(queue="drill")], queue="drill")
    claimed = pool.held[flow, "g/map"]
    await pool.store.expand_map(claimed, 3, ['{"n":1}', '{"n":2}', '{"n":3}'], Part(None, 0, 3), 100)
    for _ in range(2):
        (child,) = await pool.claim(queue="drill")
        await pool.settle(outcome(child, "completed"))
    (child,) = await pool.claim(queue="drill")
    await pool.settle(outcome(child, "discarded"))
    (join,) = await pool.claim(queue="drill")
    await pool.settle(outcome(join, "joined"))
    await pool.retry(flow)
    await pool.cancel(flow, "g/map[2]")
    await pool.retry(flow, "g/map")
    (child,) = await pool.claim(queue="drill")
    await pool.settle(outcome(child, "completed"))
    (join,) = await pool.claim(queue="drill")
    await pool.settle(outcome(join, "joined"))
    (tree,) = await pool.claim(queue="drill")
    outside = Extras(outer=OuterDependencies(("map",), ("map",)))
    graph = workflow("graph", step("a", **lane), step("b", "a", extras=outside, **lane))
    await pool.store.expand(tree, Expansion(tuple(graph.steps), 2, None), Part(None, 0, 2), 100)
    for _ in range(2):
        (child,) = await pool.claim(queue="drill")
        await pool.settle(outcome(child, "completed"))
    for _ in range(2):
        (join,) = await pool.claim(queue="drill")
        await pool.settle(outcome(join, "joined"))
    (last,) = await pool.claim(queue="drill")
    assert json.loads(last.results) == {"g": "g/tree/b"}
    await pool.settle(outcome(last, "skipped"))
    pool.held.clear()


async def test_a_function_that_forbids_plans_forbids_to_compile_statements(connection):
    """A forbidden plan that is the only one has a price at which PostgreSQL up to 17 compiles it, each time anew."""
    functions = await connection.fetch(
        "select proname, proconfig from pg_proc"
        " where pronamespace = 'baton'::regnamespace and 'enable_seqscan=off' = any(proconfig)"
    )
    assert functions
    assert [function["proname"] for function in functions if "jit=off" not in function["proconfig"]] == []


async def test_no_call_scans_a_table_of_ten_rows(pool, plans):
    for n in range(3):
        await call_everything(pool, n)
        assert plans.faults(demand_few_rows=True) == set()
    await pool.connection.execute("analyze steps; analyze queue; analyze workflows")
    await call_everything(pool, 3)

    assert sorted(plans.faults(demand_few_rows=True)) == []


@pytest.mark.slow
@pytest.mark.parametrize("analyzed", ["never", "when small", "when large"])
async def test_plans_cached_with_small_tables_still_serve_large_ones(pool, plans, connection, analyzed):
    if analyzed == "when small":
        await connection.execute("analyze steps; analyze queue; analyze workflows")
    for n in range(7):
        await call_everything(pool, n)
    await connection.execute(LOAD)
    if analyzed == "when large":
        await connection.execute("analyze")
    plans.faults(demand_few_rows=False)

    await call_everything(pool, 99)

    assert sorted(plans.faults(demand_few_rows=True)) == []
