"""Whether the arguments of another round fit the worker that runs it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from baton.core import codec, registry
from baton.core.outcome import MAX_SUMMARY, Outcome, storable
from baton.core.worker import AnyWorker
from baton.database.connections import error_summary
from baton.database.messages import Claimed

log = logging.getLogger("baton.pool")

RoundWorker = Callable[[Claimed], Awaitable[str | None]]
"""Returns the name of the worker that runs the next round if this step asks for one; None if the step is gone."""


class Rounds:
    """Checks the arguments of rounds that steps ask for."""

    def __init__(self, round_worker: RoundWorker) -> None:
        self._round_worker = round_worker

    async def checked(self, claimed: Claimed, worker: AnyWorker, outcome: Outcome) -> Outcome:
        """Return the outcome of a step that asks for another round, or a failed attempt if its arguments do not fit.

        A step inside a group may ask for the group. If the worker that runs it then is not known here, the pool that
        claims it finds what does not fit.
        """
        runs_it: AnyWorker | None = worker
        if "/" in claimed.step:
            try:
                name = await self._round_worker(claimed)
            except Exception as error:  # noqa: BLE001 - whatever it was, the outcome must not be lost
                log.warning("the arguments of another round could not be checked: %s", error_summary(error))
                return outcome
            runs_it = None if name is None else registry.get(name)
        return outcome if runs_it is None else _fitting(runs_it, outcome)


def _fitting(worker: AnyWorker, outcome: Outcome) -> Outcome:
    assert outcome.detail is not None
    try:
        worker.check_round(codec.encode(codec.decode(outcome.detail)["arguments"]))
    except Exception as error:  # noqa: BLE001 - the types are the user's, and so is the code that validates them
        return Outcome("failed", storable(f"the arguments of the next round do not fit: {error}", MAX_SUMMARY))
    return outcome
