"""Following a run: each final state once and in order, and how far everything else is."""

from __future__ import annotations

import asyncio
import gc

import asyncpg
import pytest

from baton import (
    Baton,
    Context,
    Engine,
    EventsReset,
    InvalidOption,
    Run,
    RunFinished,
    RunLevel,
    StepFinished,
    TransactionStillOpen,
    WorkerPool,
    WorkflowNotFound,
    each,
    worker,
)
from tests.held_worker import HeldWorker
from tests.waiting import eventually

SECONDS = 30


@pytest.fixture
async def pool(engine: Engine):
    async with WorkerPool(engine, queues={"default": 20}) as pool:
        yield pool


def finished(events):
    return [(event.step, event.state) for event in events if isinstance(event, StepFinished)]


async def all_of(events):
    async with asyncio.timeout(SECONDS):
        return [event async for event in events]


async def until(events, condition):
    """Return the first event that meets the condition, and all before it."""
    seen = []
    async with asyncio.timeout(SECONDS):
        async for event in events:
            seen.append(event)
            if condition(event):
                return seen
    raise AssertionError(seen)


def in_state(step: str, state: str):
    return lambda event: (
        isinstance(event, RunLevel) and (step, state) in [(one.step, one.state) for one in event.active]
    )


async def test_each_final_state_comes_once_and_in_order(pool, quick):
    flow = Baton.new().add("a", quick.new()).add("b", quick.new(), deps=["a"]).add("c", quick.new(), deps=["b"])
    run = await flow.insert()

    events = await all_of(run.events())

    assert finished(events) == [("a", "completed"), ("b", "completed"), ("c", "completed")]
    assert isinstance(events[-1], RunFinished)
    assert (events[-1].state, events[-1].counts) == ("completed", {"completed": 3})


async def test_every_cursor_leads_to_what_comes_after_it(pool, quick):
    flow = Baton.new()
    for number in range(5):
        flow.add(str(number), quick.new(), deps=[str(number - 1)] if number else [])
    run = await flow.insert()
    events = [event for event in await all_of(run.events()) if not isinstance(event, RunLevel)]

    for place, event in enumerate(events[:-1]):
        assert await all_of(run.events(after=event.cursor)) == events[place + 1 :]
    assert await all_of(run.events(after=events[-1].cursor)) == events[-1:]


async def test_what_runs_is_shown_while_it_runs(pool, held):
    run = await held.worker.new(1).insert()
    events = run.events()

    await until(events, in_state("held", "executing"))
    held.may_end.set()

    assert finished(await all_of(events)) == [("held", "completed")]


async def test_a_group_is_one_event_with_the_numbers_of_its_children(pool, quick):
    run = await Baton.new().add("map", quick.new(each(list(range(30))))).insert()

    (event,) = [event for event in await all_of(run.events()) if isinstance(event, StepFinished)]

    assert (event.step, event.children) == ("map", {"completed": 30})


async def test_a_group_that_runs_shows_the_numbers_of_its_children(pool, held):
    run = await Baton.new().add("map", held.worker.new(each([1, 2, 3]))).insert()

    def all_run(event):
        return isinstance(event, RunLevel) and event.active and event.active[0].children == {"executing": 3}

    await until(run.events(), all_run)
    held.may_end.set()
    assert await run.wait(timeout=SECONDS) == "completed"


async def test_children_have_events_of_their_own_where_asked_for(pool, quick):
    run = await Baton.new().add("map", quick.new(each([0, 1, 2]))).insert()

    steps = [step for step, _ in finished(await all_of(run.events(children=True)))]

    assert sorted(steps) == ["map", "map[0]", "map[1]", "map[2]"]
    assert steps[-1] == "map"


async def test_a_retry_resets_who_follows_and_who_comes_back(pool):
    attempts = []

    @worker(max_attempts=1)
    async def second_time(name: str) -> None:
        attempts.append(name)
        if attempts.count("b") == 1:
            raise RuntimeError

    flow = Baton.new().add("a", second_time.new("a")).add("b", second_time.new("b"), deps=["a"])
    run = await flow.insert()
    before = await all_of(run.events())
    await run.retry()

    after = await all_of(run.events(after=before[-1].cursor))

    assert finished(before) == [("a", "completed"), ("b", "discarded")]
    assert isinstance(after[0], EventsReset)
    assert finished(after) == [("a", "completed"), ("b", "completed")]
    assert sum(isinstance(event, EventsReset) for event in after) == 1


async def test_steps_opened_again_reset_a_follower_that_stayed(pool, held, quick):
    """The run itself never was final."""
    run = await Baton.new().add("held", held.worker.new()).add("quick", quick.new()).insert()
    events = run.events()
    await until(events, lambda event: isinstance(event, StepFinished) and event.step == "quick")

    await run.retry("quick")
    await until(events, lambda event: isinstance(event, EventsReset))
    again = await until(events, lambda event: isinstance(event, StepFinished) and event.step == "quick")
    held.may_end.set()

    assert finished([*again, *await all_of(events)]) == [("quick", "completed"), ("held", "completed")]


@pytest.mark.parametrize("cursor", ["", "rubbish", "1.2.3", "9.9.9.9", "1.0.0.٣", "1.0.0." + "9" * 5000])
async def test_an_unknown_cursor_is_one_reset(pool, quick, cursor):
    run = await quick.new().insert()
    await run.wait(timeout=SECONDS)

    events = await all_of(run.events(after=cursor))

    assert [type(event) for event in events] == [EventsReset, StepFinished, RunFinished]


async def test_a_cursor_of_another_run_of_this_id_is_one_reset(pool, quick, connection):
    run = await Baton.new(workflow_id="again").add("a", quick.new()).insert()
    before = await all_of(run.events())
    await connection.execute("select delete_workflows(array(select key from workflows), null)")
    run = await Baton.new(workflow_id="again").add("a", quick.new()).insert()

    assert isinstance((await all_of(run.events(after=before[-1].cursor)))[0], EventsReset)


async def test_a_cursor_that_is_no_text_is_an_error(engine):
    with pytest.raises(InvalidOption, match="after=7"):
        Run("w").events(after=7)


async def test_following_no_workflow_is_an_error(engine):
    with pytest.raises(WorkflowNotFound):
        await anext(Run("none").events())


async def test_following_in_the_inserting_transaction_is_an_error(engine, connection, quick):
    async with connection.transaction():
        run = await quick.new().insert(connection)
        with pytest.raises(TransactionStillOpen):
            await anext(run.events())


async def test_two_hundred_followers_share_listener_and_readings(engine, held, connection):
    run = await Baton.new().add("held", held.worker.new()).insert()
    async with WorkerPool(engine):
        followers = [run.events() for _ in range(200)]
        firsts = [await anext(follower) for follower in followers]
        assert len({id(event.active) for event in firsts}) <= 2
        assert engine.listener.number_of_subscribers == 2  # the pool, and all of these
        held.may_end.set()
        ends = [(await all_of(follower))[-1] for follower in followers]

    assert {end.state for end in ends} == {"completed"}


async def test_a_follower_that_reads_nothing_keeps_nothing_for_itself(pool, quick):
    """It finds all that ended when it reads again."""
    flow = Baton.new()
    for number in range(100):
        flow.add(str(number), quick.new())
    run = await flow.insert()
    slow = run.events()
    await anext(slow)

    await all_of(run.events())

    assert len(finished(await all_of(slow))) == 100


async def test_a_follower_that_is_forgotten_ends_the_readings(engine, held):
    run = await held.worker.new().insert()
    events = run.events()
    await anext(events)
    assert engine.listener.number_of_subscribers == 1

    del events
    gc.collect()

    await eventually(lambda: engine.listener.number_of_subscribers == 0)


async def test_stopping_ends_a_follower_that_waits(engine, held):
    run = await held.worker.new().insert()
    events = run.events()
    await anext(events)
    asyncio.get_running_loop().call_later(0.1, events.stop)

    assert await all_of(events) == []


async def test_ends_are_announced_only_of_runs_that_are_followed(pool, quick, held, notifications, connection):
    followed = await held.worker.new().insert()
    events = followed.events()
    await anext(events)
    await (await quick.new().insert()).wait(timeout=SECONDS)
    held.may_end.set()
    await all_of(events)

    key = await connection.fetchval("select key from workflows where id = $1", followed.id)
    assert [one for one in await notifications.received() if one.startswith("steps")] == [f"steps {key}"]


async def test_without_a_listener_a_run_is_followed_by_readings(database, quick):
    async with Engine(database, transaction_pooler=True) as engine, WorkerPool(engine, poll=0.1):
        run = await Baton.new().add("a", quick.new()).add("b", quick.new(), deps=["a"]).insert()

        assert finished(await all_of(run.events())) == [("a", "completed"), ("b", "completed")]


async def test_the_progress_that_a_worker_says_is_shown_everywhere(pool, held):
    may_end = asyncio.Event()

    @worker
    async def pages(ctx: Context) -> None:
        ctx.progress(0.4, "page 4 of 10")
        await may_end.wait()

    run = await pages.new().insert()
    seen = await until(run.events(), lambda event: isinstance(event, RunLevel) and event.active[0].progress is not None)

    assert str(seen[-1].active[0].progress) == "40 %, page 4 of 10"
    assert str((await run.steps())[0].progress) == "40 %, page 4 of 10"
    assert str((await run.status()).progress["pages"]) == "40 %, page 4 of 10"
    may_end.set()
    await run.wait(timeout=SECONDS)
    assert (await run.steps())[0].progress is None


async def test_progress_is_written_at_most_twice_a_second(pool, connection):
    """Of a hundred calls at once only the last one is."""
    may_end = asyncio.Event()

    @worker
    async def pages(ctx: Context) -> None:
        for page in range(100):
            ctx.progress(page / 100)
        await may_end.wait()

    await pages.new().insert()
    await eventually(lambda: connection.fetchval("select fraction from progress"))

    assert await connection.fetchrow("select count(*), max(fraction) from progress") == (1, 0.99)
    may_end.set()


async def test_the_progress_of_an_attempt_before_is_not_shown(pool, connection):
    may_end = asyncio.Event()

    @worker(backoff=0)
    async def pages(ctx: Context) -> None:
        if ctx.attempt == 1:
            ctx.progress(0.9)
            await may_end.wait()
            raise RuntimeError
        await asyncio.Event().wait()

    run = await pages.new().insert()
    await eventually(lambda: connection.fetchval("select fraction from progress"))
    may_end.set()
    seen = await until(run.events(), lambda event: isinstance(event, RunLevel) and event.active[0].attempt == 2)

    assert seen[-1].active[0].progress is None
    await run.cancel()


@pytest.mark.parametrize(("fraction", "message"), [("half", None), (float("nan"), None), (True, None), (0.5, 7)])
def test_progress_that_is_no_number_or_no_text_is_an_error(fraction, message):
    from baton.core.progress import progress_json

    with pytest.raises(InvalidOption):
        progress_json(fraction, message)


async def test_a_role_that_only_reads_may_follow(database, connection, quick, engine):
    await connection.execute("create role baton_reads login")
    try:
        from baton.database.grants import grant

        await grant(connection, "baton", {"viewer": ["baton_reads"]})
        run = await Baton.new().add("a", quick.new()).insert()
        async with Engine(database.replace("postgres@", "baton_reads@", 1)) as reader:
            events = Run(run.id, reader).events()
            await anext(events)
            await run.cancel()
            assert finished(await all_of(events)) == [("a", "cancelled")]
    finally:
        await connection.execute("drop owned by baton_reads; drop role baton_reads")


async def test_leaving_the_engine_ends_who_follows(database, held):
    async with Engine(database) as engine:
        run = await held.worker.new().insert(engine)
        events = run.events()
        await anext(events)
    with pytest.raises(Exception, match="engine"):
        await all_of(events)


async def test_every_end_comes_once_though_connections_are_killed(engine, quick, connection: asyncpg.Connection):
    """Each follower is left and taken up at its cursor again and again, while backends are killed."""
    flow = Baton.new()
    for number in range(60):
        flow.add(str(number), quick.new(), deps=[str(number - 1)] if number else [])
    run = await flow.insert()
    seen, cursor, kills = [], None, 0
    async with WorkerPool(engine, lease=5), asyncio.timeout(120):
        while not (seen and isinstance(seen[-1], RunFinished)):
            async for event in run.events(after=cursor):
                cursor = event.cursor
                seen.append(event)
                if isinstance(event, StepFinished | RunFinished):
                    break
            if kills < 20 and len(finished(seen)) % 3 == 0:
                kills += 1
                await connection.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity "
                    "where pid <> pg_backend_pid() and datname = current_database()"
                )

    assert [step for step, _ in finished(seen)] == [str(number) for number in range(60)]
    assert not [event for event in seen if isinstance(event, EventsReset)]
    assert kills == 20


@pytest.fixture
def held() -> HeldWorker:
    return HeldWorker()
