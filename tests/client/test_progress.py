"""A run draws its progress until it is final."""

from __future__ import annotations

import io

import pytest

from baton import Baton, Run, WorkerPool, WorkflowNotFound, each
from baton.tasks import Tasks
from tests.waiting import eventually


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()], ids=["lines", "bar"])
async def test_progress_is_drawn_until_the_run_is_final(engine, held, stream):
    """From a moment at which a step runs, to the end."""
    async with WorkerPool(engine):
        flow = Baton.new(workflow_name="[compare]").add("many", held.worker.new(number=each([1, 2, 3])))
        run = await flow.add("last", held.worker.new(number=4), deps=["many"]).insert()
        await held.has_begun(3)

        async def release() -> None:
            await eventually(lambda: "3 executing" in stream.getvalue())
            held.may_end.set()

        tasks = Tasks()
        tasks.start(release(), name="release")
        state = await run.progress(20, stream=stream, every=0.01)
        await tasks.ended()

    assert state == "completed"
    assert "[compare]" in stream.getvalue()
    assert "executing: 0 of 5 steps are final, 3 executing" in stream.getvalue()


async def test_lines_are_written_only_for_what_has_changed(engine, held, caplog):
    """A call that takes too long raises, and is no failure in the log."""
    stream = io.StringIO()
    async with WorkerPool(engine):
        run = await held.worker.new(number=1).insert(workflow_id="one")
        await held.has_begun()
        with pytest.raises(TimeoutError):
            await run.progress(0.2, stream=stream, every=0.01)
        held.may_end.set()
        assert await run.progress(20, stream=stream) == "completed"

    # The second call begins anew, and may still find the step executing.
    lines = stream.getvalue().splitlines()
    assert set(lines[:-1]) == {"one: executing: 0 of 1 steps are final, 1 executing"}
    assert len(lines) <= 3
    assert [record for record in caplog.records if record.name == "baton" and record.levelname == "CRITICAL"] == []
    assert lines[-1] == "one: completed: 1 of 1 steps are final"


async def test_a_run_that_is_not_there_draws_nothing(engine):
    stream = io.StringIO()

    with pytest.raises(WorkflowNotFound):
        await Run("nowhere").progress(stream=stream)
    assert stream.getvalue() == ""
