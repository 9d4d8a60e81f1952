"""The research assistant runs as it stands, and survives the death of its worker in the middle of a conversation."""

from __future__ import annotations

import re
import signal
import subprocess
import sys

from examples.research.assistant import research
from examples.research.model_server import Models, model_server
from tests.cli.command import ROOT, assert_succeeded, environment, python
from tests.waiting import eventually

SECONDS = 60


def test_the_assistant_runs_to_its_report(database):
    said = assert_succeeded(python("-m", "examples.research.assistant", cwd=ROOT, database=database))

    assert "by gpt-5, claude-opus-4-5, claude-haiku-4-5" in said
    assert re.search(r"notes +4 +450 +31 +\$0\.000124", said)
    assert re.search(r"total +9 ", said)


async def test_the_worker_may_be_killed_in_the_conversation(engine, database, tmp_path):
    """It is killed while the model is asked the third time; the turns before it are not made again."""
    models = Models()
    with model_server(models) as address:
        command = [sys.executable, "-m", "baton", "worker", "examples.research.workers:pool", "--address", database]
        given = {**environment(), "RESEARCH_MODELS": address, "PYTHONPATH": str(ROOT)}

        def worker():
            return subprocess.Popen(command, env=given, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        first = worker()
        run = await research("What is a baton?").insert()
        await eventually(lambda: models.calls["gpt-5-mini"] >= 3, SECONDS, every=0.001)
        first.send_signal(signal.SIGKILL)
        first.wait()
        second = worker()
        try:
            await run.signal("approval", True)
            report = await run.result("report", timeout=SECONDS)
        finally:
            second.terminate()
            second.wait()

    usage = await run.usage()
    assert "by gpt-5, claude-opus-4-5, claude-haiku-4-5" in report
    # The one that refused, four turns, and at most one that was lost with the process.
    assert models.calls["gpt-5-mini"] in (5, 6)
    assert usage.by_step["notes"].calls >= 3
    assert usage.cost is not None
    (budget,) = await run.budgets()
    assert (budget.spent_cost, budget.reserved_cost) == (usage.cost, 0)
