"""What is settled without a worker: joins, maps, items of maps of workflows, and inputs that cannot be delivered."""

from __future__ import annotations

from baton.core.item_graphs import ITEM_WORKER
from baton.core.outcome import Outcome, discarded, expanded, joined
from baton.database.messages import Claimed


def outcome_without_running(claimed: Claimed) -> Outcome | None:
    """Return the outcome of a claimed step for which no worker has to run; None if one has to."""
    if claimed.is_join:
        return joined()
    if claimed.undeliverable is not None:
        return discarded(claimed.undeliverable)
    return expanded() if claimed.map is not None or claimed.worker == ITEM_WORKER else None
