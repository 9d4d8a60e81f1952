"""What the attempts of a step left, if its workflow was made with debug."""

from __future__ import annotations

import json

from baton.database.debug_records import read_debug_records
from baton.web.moment import now_of
from baton.web.rendering import Page
from baton.web.view import View, refuse

RECORDS_SHOWN = 200


async def debug(view: View) -> Page:
    """Show the last records, to those who may see data."""
    view.require("see data")
    run, step = view.run(), view.needed("step")
    engine = run.engine_to_ask()
    try:
        records = await read_debug_records(engine.store.calls, engine.schema, run.id, step)
    except PermissionError as error:
        refuse(403, f"{error}.")
    facts = {
        "run_id": run.id,
        "step": step,
        "records": [(one, json.dumps(one.value, ensure_ascii=False)) for one in records[-RECORDS_SHOWN:]],
        "left": max(0, len(records) - RECORDS_SHOWN),
        "now": await now_of(engine.store.calls),
    }
    return Page("debug.html", f"Debug of {step}", facts, follows=run.id)
