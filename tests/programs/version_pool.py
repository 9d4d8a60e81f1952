"""One version of the library at work on a schema of another one, by the public interface alone.

python version_pool.py ADDRESS migrate          bring the schema to this version
python version_pool.py ADDRESS work             run each kind of call and of step once, with a pool of its own
python version_pool.py ADDRESS serve QUEUE      run a pool on this queue until standard input ends
python version_pool.py ADDRESS chain QUEUE...   insert a chain over these queues, which others serve, and wait for it

Each prints a line when it has succeeded, `serve` when it is ready and when it has ended.
"""

from __future__ import annotations

import asyncio
import logging
import sys

from baton import Baton, Engine, Skip, WorkerPool, each, insert_many, result_of, worker

SECONDS = 60


@worker(name="version: add", max_attempts=1)
async def add(left: int, right: int = 0) -> int:
    return left + right


@worker(name="version: fail", max_attempts=1)
async def fail() -> int:
    raise ValueError("as it should")


@worker(name="version: total")
async def total(parts: list[int] | None = None, optional: int = 0) -> int:
    return sum(parts or ()) + optional


@worker(name="version: grow")
async def grow(size: int, queue: str = "default") -> Baton:
    flow = Baton.new()
    for number in range(size):
        flow.add(f"leaf {number}", add.new(number, 1).with_options(queue=queue))
    leaves = [result_of(f"leaf {number}") for number in range(size)]
    return flow.add("sum", total.new(leaves).with_options(queue=queue)).returns("sum")


@worker(name="version: skip")
async def skip() -> Skip:
    return Skip("not needed")


def everything() -> Baton:
    inner = Baton.new().add("one", add.new(result_of("first"))).add("two", add.new(result_of("one"), 10)).returns("two")
    return (
        Baton.new(workflow_name="everything", meta={"by": "versions"})
        .add("first", add.new(1))
        .add("map", add.new(each([1, 2, 3]), result_of("first")).with_options(concurrency=2))
        .add("group", inner)
        .add("graph", grow.new(3), deps=["group"])
        .add("failing", fail.new())
        .add("skipped", skip.new())
        .add("later", add.new(5).with_options(schedule_in=0.1, priority=1))
        .add("late", total.new(result_of("map"), result_of("failing")), ignore_discarded=True)
        .add("last", total.new([result_of("late"), result_of("graph"), result_of("later")]), deps=["group"])
        .returns("last")
    )


async def work(engine: Engine) -> None:
    async with WorkerPool(engine, queues={"default": 10}):
        run = await everything().insert(engine)
        assert await run.wait(timeout=SECONDS) == "completed"
        assert await run.result(timeout=SECONDS) == 9 + 6 + 5
        assert await run.result("map", timeout=SECONDS) == [2, 3, 4]
        assert {step.name for step in await run.steps()} >= {"first", "last"}
        runs = await insert_many([add.new(number) for number in range(3)], engine)
        assert [await one.result(timeout=SECONDS) for one in runs] == [0, 1, 2]
        await operate(engine)


async def operate(engine: Engine) -> None:
    assert await engine.pause("version") is True
    run = await add.new(7).with_options(queue="version").insert(engine)
    assert (await run.status()).state == "executing"
    assert await run.cancel() == 1
    assert await run.wait(timeout=SECONDS) == "cancelled"
    assert await run.retry() == 1
    assert await engine.resume("version") is True
    async with WorkerPool(engine, queues={"version": 1}):
        assert await run.result(timeout=SECONDS) == 7
    text = add.new(8).to_json()
    async with engine.connections.acquire() as connection:
        await connection.fetchrow("select * from baton.insert_workflow_json($1)", text)


async def serve(engine: Engine, queue: str) -> None:
    async with WorkerPool(engine, queues={queue: 5}):
        print("ready", flush=True)  # noqa: T201
        await asyncio.to_thread(sys.stdin.read)


async def chain(engine: Engine, queues: list[str]) -> None:
    flow = Baton.new().add("0", add.new(0).with_options(queue=queues[0]))
    for number in range(1, 4 * len(queues)):
        job = add.new(result_of(str(number - 1)), 1).with_options(queue=queues[number % len(queues)])
        flow.add(str(number), job)
    flow.add("graph", grow.new(2, queues[-1]).with_options(queue=queues[0]), deps=[str(4 * len(queues) - 1)])
    run = await flow.insert(engine)
    assert await run.result("graph", timeout=SECONDS) == 3
    assert await run.result(str(4 * len(queues) - 1), timeout=SECONDS) == 4 * len(queues) - 1


class Warnings(logging.Handler):
    """Keeps what the library warns of: a pool gets round many a call that fails."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.unexpected: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if "'failing'" not in record.getMessage():
            self.unexpected.append(record.getMessage())


async def main(address: str, command: str, *queues: str) -> None:
    warnings = Warnings()
    logging.getLogger("baton").addHandler(warnings)
    async with Engine(address, migrate=command == "migrate") as engine:
        match command:
            case "work":
                await work(engine)
            case "serve":
                await serve(engine, queues[0])
            case "chain":
                await chain(engine, list(queues))
            case _:
                pass
    assert not warnings.unexpected, warnings.unexpected
    print(f"done: {command}", flush=True)  # noqa: T201


asyncio.run(main(*sys.argv[1:]))
