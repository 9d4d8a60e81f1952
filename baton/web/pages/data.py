"""The arguments or the result of a step as a file."""

from __future__ import annotations

from starlette.responses import Response

from baton.web.pages.step import found_step, result_of_step
from baton.web.view import View, refuse


async def data(view: View) -> Response:
    """Return a document as it is stored, to be kept as a file: a browser shows it nowhere."""
    view.require("see data")
    run, name = view.run(), view.needed("step")
    part = view.choice("part", ("arguments", "result"))
    engine = run.engine_to_ask()
    details = await found_step(engine, run.id, name)
    text = details.args if part == "arguments" else await result_of_step(engine, run.id, details)
    if text is None:
        refuse(404, "This step has no result that can be loaded here.")
    headers = {"Content-Disposition": f'attachment; filename="{part or "result"}.json"'}
    return Response(text.encode("utf-8", "replace"), media_type="application/json", headers=headers)
