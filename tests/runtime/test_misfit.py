"""Arguments that do not fit a worker, as in a rolling deploy: put back for a while, as steps of unknown workers are."""

from __future__ import annotations

from datetime import timedelta

import pytest

from baton import InvalidOption, WorkerPool, worker
from baton.core import registry
from tests.programs import pool_workers
from tests.waiting import eventually

WHY = "the arguments do not fit worker 'resize': Unexpected keyword argument 'width'"
CLAIM_NOW = "update queue set state = 'available', position = now() where state = 'scheduled'"
PUT_BACK = "select outcome = 'misfit' from steps"


@pytest.fixture
def new_version():
    """Insert a step with the worker as the new version of the application has it."""

    async def insert(**options):
        with registry.isolated():

            @worker(name="resize", max_attempts=1, **options)
            async def resize(path: str, width: int = 100) -> str:
                return f"{path} at {width}"

            return await resize.new(path="a.png", width=200).insert()

    return insert


def old_worker(**options):
    @worker(name="resize", **options)
    async def resize(path: str) -> str:
        return path


def new_worker():
    @worker(name="resize")
    async def resize(path: str, width: int = 100) -> str:
        return f"{path} at {width}"


async def test_a_step_whose_arguments_do_not_fit_is_put_back_at_no_cost(engine, connection, new_version, caplog):
    run = await new_version()
    old_worker()
    async with WorkerPool(engine):
        await eventually(lambda: connection.fetchval(PUT_BACK))

    (record,) = await run.steps()
    assert (record.state, record.attempt, record.errors) == ("scheduled", 0, [])
    assert record.reason.startswith("ArgumentsDoNotFit: the arguments do not fit worker 'resize': ")
    assert await connection.fetchval("select refusals from steps") == 1
    (logged,) = [entry.message for entry in caplog.records if "cannot run here" in entry.message]
    assert logged.startswith(f"attempt 1 of {record.max_attempts} of step 'resize', workflow '{run.id}', ")
    assert logged.endswith(f"cannot run here and is put back: {record.reason}")


async def test_the_status_says_why_the_step_is_put_back(engine, connection, new_version):
    run = await new_version()
    old_worker()
    async with WorkerPool(engine):
        await eventually(lambda: connection.fetchval(PUT_BACK))
        (unserved,) = (await run.status()).unserved

    assert (unserved.step, unserved.worker) == ("resize", "resize")
    assert unserved.why.startswith("no worker pool that claimed it could run it: ArgumentsDoNotFit: ")


async def test_a_version_of_the_worker_that_the_arguments_fit_runs_the_step(engine, connection, new_version):
    run = await new_version()
    with registry.isolated():
        old_worker()
        async with WorkerPool(engine):
            await eventually(lambda: connection.fetchval(PUT_BACK))
    await connection.execute(CLAIM_NOW)

    with registry.isolated():
        new_worker()
        async with WorkerPool(engine):
            assert await run.result(timeout=10) == "a.png at 200"

    assert await connection.fetchrow("select attempt, refusals, misfit_at from steps") == (1, 0, None)


async def test_a_worker_in_another_process_puts_back_what_does_not_fit(engine, connection):
    run = await pool_workers.process_id.new().insert()
    await connection.execute("""update steps set args = '{"removed": 7}'""")
    async with WorkerPool(engine):
        await eventually(lambda: connection.fetchval(PUT_BACK), deadline=30)

    (record,) = await run.steps()
    assert (record.state, record.attempt) == ("scheduled", 0)


async def test_after_a_day_the_step_is_discarded(engine, connection, new_version):
    run = await new_version()
    old_worker()
    async with WorkerPool(engine):
        await eventually(lambda: connection.fetchval(PUT_BACK))
        await connection.execute("update steps set misfit_at = now() - interval '25 hours'")
        await connection.execute(CLAIM_NOW)
        state = await run.wait(timeout=20)

    (record,) = await run.steps()
    assert (state, record.state, record.attempt) == ("failed", "discarded", 1)
    assert record.reason.startswith("ArgumentsDoNotFit: ")


@pytest.mark.parametrize(("misfit", "state"), [(timedelta(hours=1), "discarded"), (None, "scheduled")])
async def test_the_pool_says_for_how_long(engine, connection, new_version, misfit, state):
    run = await new_version()
    old_worker()
    async with WorkerPool(engine, misfit=misfit, poll=0.1):
        await eventually(lambda: connection.fetchval(PUT_BACK))
        await connection.execute("update steps set misfit_at = now() - interval '61 minutes'")
        await connection.execute(CLAIM_NOW)
        await eventually(lambda: connection.fetchval("select refusals = 2 or state = 'discarded' from steps"))

    (record,) = await run.steps()
    assert record.state == state


def test_the_time_must_be_a_duration():
    with pytest.raises(InvalidOption, match="misfit"):
        WorkerPool(misfit=-1)
