"""`baton signal` and `baton send`."""

from __future__ import annotations

from baton import Baton, Receive, Signal, WorkerPool
from tests.cli.command import assert_refused, assert_succeeded, baton


def article():
    return Baton.new(workflow_id="article").add("approval", Signal()).add("chat", Receive("chat"))


async def test_the_commands_signal_a_step_and_send_a_message(engine, database, tmp_path):
    run = await article().insert()

    first = baton("signal", "article", "approval", '{"by": "Ada"}', cwd=tmp_path, database=database)
    second = baton("signal", "article", "approval", "1", cwd=tmp_path, database=database)
    sent = baton("send", "article", "chat", '"hello"', "--key", "1", cwd=tmp_path, database=database)

    assert assert_succeeded(first) == "step 'approval' of workflow 'article' completes with this\n"
    assert assert_succeeded(second) == "step 'approval' of workflow 'article' was answered by another signal before\n"
    assert assert_succeeded(sent) == "topic 'chat' of workflow 'article' has this message\n"
    async with WorkerPool(engine):
        assert await run.result(timeout=20) == {"approval": {"by": "Ada"}, "chat": "hello"}


async def test_a_signal_to_no_step_says_which_wait(engine, database, tmp_path):
    await article().insert()

    done = baton("signal", "article", "aproval", "1", cwd=tmp_path, database=database)

    assert assert_refused(done) == (
        "workflow 'article' has no step 'aproval' that waits for a signal; those that do: 'approval'"
    )


def test_a_value_that_is_not_json_is_a_usage_error(tmp_path):
    done = baton("signal", "article", "approval", "hello", cwd=tmp_path)

    assert done.returncode == 2
    assert "'hello' is not JSON" in done.stderr
