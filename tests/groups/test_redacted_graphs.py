"""What a pool redacts are texts for people: a graph that a worker returns is none."""

from __future__ import annotations

import pytest

from baton import Baton, WorkerPool, worker


@worker(name="redacted leaf")
async def leaf(text: str) -> int:
    return len(text)


@worker(name="redacted tree", max_attempts=1)
async def tree(size: int) -> Baton:
    flow = Baton.new()
    for number in range(size):
        flow.add(f"leaf {number}", leaf.new("secret"))
    return flow


@pytest.mark.parametrize("size", [2, 300], ids=["small", "longer than an error text may be"])
async def test_redaction_leaves_returned_graphs_as_they_are(engine, size):
    async with WorkerPool(engine, redact=lambda text: text.replace("secret", "***")):
        run = await Baton.new().add("tree", tree.new(size)).insert()

        assert await run.result("tree", timeout=60) == {f"leaf {number}": len("secret") for number in range(size)}
