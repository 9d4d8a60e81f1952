"""Budgets of calls of language models: what an attempt is expected to use is reserved before it begins."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from baton.core import codec
from baton.core.outcome import Outcome, discarded, no_budget
from baton.core.usage.budget import reservations
from baton.database.messages import Claimed, NoRoom

Reserve = Callable[[Claimed, str], Awaitable[NoRoom | None]]


async def refusal(reserve: Reserve, claimed: Claimed) -> Outcome | None:
    """Reserve what the attempt is expected to use. Return the outcome of one that must not begin; None if it may.

    Steps of workflows without budgets, and those for which their budgets estimate nothing, ask nothing.
    """
    if claimed.extras is None or not (budgets := codec.decode(claimed.extras).get("budgets")):
        return None
    if not (wanted := reservations(claimed.step, claimed.worker, budgets)):
        return None
    no_room = await reserve(claimed, json.dumps(wanted))
    if no_room is None:
        return None
    return discarded(no_room.why) if no_room.is_final else no_budget(no_room.why, no_room.seconds)
