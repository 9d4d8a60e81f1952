"""What can be followed of a run, as methods of `Run`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from baton.errors import StepNotFound, TransactionStillOpen, WorkflowNotFound

if TYPE_CHECKING:
    from baton.client.engine import Engine
    from baton.client.following import RunEvents
    from baton.client.run import Run
    from baton.client.stream_following import RunStream
    from baton.database.debug_records import DebugRecord


class FollowsRuns:
    """A mixin of `Run`: what can be followed while it goes on."""

    def events(self, after: str | None = None, *, children: bool = False) -> RunEvents:
        """Follow the run: `async for event in run.events()` yields what happens in it until it is final.

        Each final state of a step is a `StepFinished`, once and in order; `RunLevel` is how far everything else is, and
        comes after changes, at the latest some seconds after them; `RunFinished` is the last one. After the cursor of
        an event it goes on behind that event, in any process. If what that event said holds no longer, as after a
        retry, one `EventsReset` comes first, and everything that is final comes anew.

        Of what is inside a group only the numbers come, unless `children` are asked for. All that follow a run in one
        process cost the database at most two statements a second together, and none while nothing happens but one
        reading in five seconds. The wait goes on while the database is away.

        Raises, at the first event: WorkflowNotFound, and TransactionStillOpen as `wait`.
        """

        from baton.client.following import RunEvents  # by those who follow a run

        run = cast("Run", self)
        return RunEvents(lambda: _engine_to_follow(run), run.id, after, children=children)

    def follow(self, stream: str, after: int = 0) -> RunStream:
        """Follow a stream of the run: `async for item in run.follow("tokens")` yields what workers publish to it.

        Items come in the order of their numbers, which rise by the order in which they were written; after the number
        of an item it goes on behind that one, in any process. It ends when the run is final. Where an attempt failed or
        was lost, what it published is gone as soon as the next one publishes; the first item of that one says so.

        All that follow a stream in one process share its readings, at most ten a second. The wait goes on while the
        database is away.

        Raises, at the first item: WorkflowNotFound, and TransactionStillOpen as `wait`.
        """
        from baton.client.stream_following import RunStream  # by those who follow a stream

        run = cast("Run", self)
        return RunStream(lambda: _engine_to_follow(run), run.id, stream, after)

    async def debug(self, step: str) -> Sequence[DebugRecord]:
        """Return what the attempts of a step left, in order, if the workflow was made with `debug`; else nothing.

        Raises:
            StepNotFound, WorkflowNotFound: there is no such step, or workflow.
            PermissionError: the database role may not read them; `baton migrate --grant debug=ROLE` lets it.
        """
        from baton.database.debug_records import read_debug_records  # by those who look into an attempt

        run = cast("Run", self)
        engine, (name,) = run.engine_to_ask(), await run.names_stored([step])
        records = await read_debug_records(engine.connections, engine.schema, run.id, name)
        if not records and name not in (names := await engine.reads.names(run.id)):
            raise StepNotFound(run.id, name, names) if names else WorkflowNotFound(run.id)
        return records


def _engine_to_follow(run: Run) -> Engine:
    if run.is_in_open_transaction:
        raise TransactionStillOpen(run.id)
    return run.engine_to_ask()
