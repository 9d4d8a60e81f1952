"""What docs/waiting.md shows is true: its Python runs, its commands and its SQL answer the workflow that it builds."""

from __future__ import annotations

import re
import shlex
import sys
from types import ModuleType

import pytest

from baton import Run, WorkerPool
from tests.cli.command import ROOT, assert_succeeded, baton
from tests.waiting import eventually

TEXT = (ROOT / "docs" / "waiting.md").read_text()
SECONDS = 20


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.fixture
def names(monkeypatch):
    """All of its Python, as one module, which dataclasses look for."""
    module = ModuleType("waiting_document")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for block in blocks("python"):
        exec(block, module.__dict__)
    return module.__dict__


@pytest.mark.parametrize("name", ["flow", "chat", "cooled", "batch"])
def test_each_workflow_is_valid(names, name):
    assert len(names[name].validate()) >= 2


async def test_an_approval_is_given_in_python(engine, names):
    run = await names["flow"].insert()

    assert await names["approve"](7, "Ada") is True

    async with WorkerPool(engine):
        await eventually(lambda: ends(run, "approval"))
    assert await run.result("approval") == names["Approval"]("Ada")


async def ends(run, name):
    return {step.name: step.state for step in await run.steps()}[name] == "completed"


async def test_an_approval_is_given_in_sql_and_not_again_by_the_command(engine, names, connection, tmp_path, database):
    await names["flow"].insert()
    (query,) = blocks("sql")
    (console,) = blocks("console")
    command, said = console.removeprefix("$ ").split("\n", 1)

    first = baton(*shlex.split(command)[1:], cwd=tmp_path, database=database)

    assert assert_succeeded(first) == said
    assert await connection.fetchval(query) is False


async def test_an_approval_counts_with_the_transaction_of_the_application(engine, names, connection):
    await connection.execute("create table approvals (order_id bigint, approved_by text)")
    names["flow"]._id = "order-7"  # the document's handler approves orders
    run = await names["flow"].insert()

    await names["approve_order"](connection, 7, "Ada")

    async with WorkerPool(engine):
        await eventually(lambda: ends(run, "approval"))


async def test_a_talk_takes_its_messages_in_order(engine, names):
    run = await names["chat"].insert()
    for text in ("why?", "thanks"):
        await names["say"](text)

    async with WorkerPool(engine):
        await run.wait(timeout=SECONDS)

    assert [await run.result(step) for step in ("question", "thanks")] == ["why?", "thanks"]


async def test_a_run_is_waited_for(engine, names):
    run = await names["batch"].insert()
    async with WorkerPool(engine):
        await names["draft"].new("x").insert(workflow_id="batch-7")
        await eventually(lambda: ends(run, "batch"))
    assert await Run("batch-7").wait(timeout=SECONDS) == "completed"
