"""The worker pools."""

from __future__ import annotations

from baton.database.overview import POOLS_SHOWN, read_pools
from baton.web.rendering import Page
from baton.web.view import View


async def pools(view: View) -> Page:
    """Show the living pools, and those that died last."""
    found = await read_pools(view.engine.store.calls, view.engine.schema)
    facts = {
        "alive": [pool for pool in found[:POOLS_SHOWN] if pool.is_alive],
        "dead": [pool for pool in found[:POOLS_SHOWN] if not pool.is_alive],
        "shown": POOLS_SHOWN if len(found) > POOLS_SHOWN else None,
    }
    return Page("pools.html", "Pools", facts, follows="all")
