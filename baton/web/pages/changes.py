"""The stream of server-sent events that says when a page has changed."""

from __future__ import annotations

from starlette.responses import StreamingResponse

from baton.database.run_outline import read_run_facts
from baton.errors import WorkflowNotFound
from baton.web.live import ALL, Topic, stream
from baton.web.view import View

HEADERS = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # or nginx keeps the events until there are enough of them
}


async def changes(view: View) -> StreamingResponse:
    """Stream the changes of a run, or of everything."""
    topic: Topic = ALL
    if view.text("id") is not None:
        run = view.run()
        run.engine_to_ask()
        facts = await read_run_facts(view.engine.store.calls, view.engine.schema, run.id)
        if facts is None:
            raise WorkflowNotFound(run.id)
        topic = facts.key
    events = stream(view.engine, topic, view.last_event)
    return StreamingResponse(events, media_type="text/event-stream", headers=HEADERS)
