"""Compares what a dry run says with what the call then does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from baton.database.interventions import InterventionStore, Repair

_STATES = """
select n.name, n.state
  from baton.workflows w
 cross join lateral baton.step_states(w.key) as s
 cross join lateral unnest(s.names, s.states) as n(name, state)
 where w.id = $1
"""


@asynccontextmanager
async def tried_first(
    connection: asyncpg.Connection, run: str, action: Repair, names: list[str], result: str | None, **options: bool
) -> AsyncIterator[list[str]]:
    """Make a dry run, let the body make the call, and yield a list that then has what differs."""
    differs: list[str] = []
    before = dict(await connection.fetch(_STATES, run))
    tried = await InterventionStore(connection, "baton").dry_run(run, action, names or None, result, **options)
    if dict(await connection.fetch(_STATES, run)) != before:
        differs.append("the dry run changed something")
    yield differs
    after = dict(await connection.fetch(_STATES, run))
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    said = {} if tried.changes is None else {one.name: (one.before, one.after) for one in tried.changes.steps}
    found = {name: (before.get(name), after.get(name)) for name in changed}
    if said != found:
        differs.append(f"the dry run said {said}, and changed was {found}")
