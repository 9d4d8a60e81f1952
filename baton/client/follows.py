"""What can be followed of a run, as methods of `Run`."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from baton.errors import TransactionStillOpen

if TYPE_CHECKING:
    from baton.client.engine import Engine
    from baton.client.following import RunEvents
    from baton.client.run import Run


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


def _engine_to_follow(run: Run) -> Engine:
    if run.is_in_open_transaction:
        raise TransactionStillOpen(run.id)
    return run.engine_to_ask()
