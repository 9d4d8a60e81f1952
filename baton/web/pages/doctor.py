"""What `baton doctor` says."""

from __future__ import annotations

from baton.cli.diagnosis import diagnosed
from baton.cli.finding import LEVELS
from baton.database.diagnostics import examine
from baton.database.migrate import wanted_version
from baton.web.rendering import Page
from baton.web.view import View

LONG_SECONDS = 3600.0


async def doctor(view: View) -> Page:
    """Examine the installation now, and show what is wrong first."""
    async with view.engine.connections.acquire() as connection:
        examined = await examine(connection, view.engine.schema, wanted_version(), LONG_SECONDS)
    findings = sorted(diagnosed(examined), key=lambda finding: -LEVELS.index(finding.level))
    return Page("doctor.html", "Doctor", {"findings": findings})
