"""What type checkers must object to. Each line's errors are pinned behind it: those of mypy, then those of pyright.

A comment that begins with `mypy:` or `pyright:` names the rules by which they object to the line; it is never run.
"""

from __future__ import annotations

from typing import assert_type

import baton
from baton import Baton, Context, Job, Provided, Run, StepRecord, WorkerPool, result_of, worker


class Client: ...


@worker
async def fetch(url: str, tries: int = 3) -> str:
    return url


@worker
async def report(ctx: Context, words: dict[str, int]) -> int:
    return len(words)


@worker
async def late(words: dict[str, int], ctx: Context) -> int:
    return len(words)


@worker
async def download(url: str, client: Provided[Client]) -> int:
    return 0


def arguments(context: Context) -> None:
    fetch.new()  # mypy: call-arg; pyright: reportCallIssue
    fetch.new(url=5)  # mypy: arg-type; pyright: reportArgumentType
    fetch.new(url="x", trie=1)  # mypy: call-arg; pyright: reportCallIssue
    fetch.new("x", 1, 2)  # mypy: call-arg; pyright: reportCallIssue
    report.new(context, {})  # mypy: arg-type, call-arg; pyright: reportCallIssue
    report.new(words={1: 2})  # mypy: dict-item; pyright: reportArgumentType
    late.new(words={})  # mypy: call-arg; pyright: reportCallIssue
    download.new(url="x")  # mypy: call-arg; pyright: reportCallIssue


def options(job: Job) -> None:
    job.with_options(queue=5)  # mypy: arg-type; pyright: reportArgumentType
    job.with_options(quue="web")  # mypy: call-arg; pyright: reportCallIssue
    job.with_options(schedule_in="5")  # mypy: arg-type; pyright: reportArgumentType
    worker(max_attemps=3)  # mypy: call-overload; pyright: reportCallIssue
    worker(name=5)  # mypy: call-overload; pyright: reportArgumentType
    worker(5)  # mypy: call-overload; pyright: reportArgumentType, reportCallIssue
    WorkerPool(queues=["default"])  # mypy: arg-type; pyright: reportArgumentType


def steps(flow: Baton) -> None:
    flow.add("a", fetch)  # mypy: arg-type; pyright: reportArgumentType
    flow.add("a", fetch(url="x"))  # mypy: arg-type; pyright: reportArgumentType
    flow.add("b", fetch.new(url="x"), dep=["a"])  # mypy: call-arg; pyright: reportCallIssue
    flow.add("b", fetch.new(url="x"), runs="sometimes")  # mypy: arg-type; pyright: reportArgumentType
    result_of(fetch)  # mypy: arg-type; pyright: reportArgumentType


async def results(run: Run, record: StepRecord) -> None:
    number: int = await run.result(fetch)  # mypy: arg-type; pyright: reportAssignmentType
    assert_type(await run.result("a", worker=fetch), int)  # mypy: assert-type; pyright: reportAssertTypeFailure
    await run.result("a", fetch)  # mypy: call-overload; pyright: reportArgumentType, reportCallIssue
    if record.state == "complete":  # mypy: comparison-overlap; pyright: reportUnnecessaryComparison
        print(number)  # mypy: unreachable
    if await run.wait() == "executing":  # mypy: comparison-overlap; pyright: reportUnnecessaryComparison
        print(record)


def names() -> None:
    print(baton.Worker_pool)  # mypy: attr-defined; pyright: reportAttributeAccessIssue, reportUnknownArgumentType, reportUnknownMemberType
