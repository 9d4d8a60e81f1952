"""Whether the run is there whose results an insert takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from baton.core.names import UNSTORABLE
from baton.core.reuse import reused_by
from baton.core.spec import WorkflowSpec
from baton.database.migrate import quoted
from baton.errors import WorkflowNotFound

if TYPE_CHECKING:
    from baton.database.connections import Calls


async def require_reusable(spec: WorkflowSpec, calls: Calls, schema: str) -> None:
    """Raise `WorkflowNotFound` if the workflow takes the results of a run that does not exist.

    The insert would be refused as well, and the caller's transaction aborted.
    """
    reused = reused_by(spec)
    if reused is None:
        return
    found = not UNSTORABLE.search(reused) and await calls.fetch(
        f"select w.key from {quoted(schema)}.workflows w where w.id = $1", reused
    )
    if not found:
        raise WorkflowNotFound(reused)
