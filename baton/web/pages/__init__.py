"""The pages: each a function that reads what one shows, at most six statements, and returns it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from starlette.responses import Response

from baton.web.pages.changes import changes
from baton.web.pages.confirm import confirm
from baton.web.pages.data import data
from baton.web.pages.debug import debug
from baton.web.pages.doctor import doctor
from baton.web.pages.interventions import interventions
from baton.web.pages.limits import limits
from baton.web.pages.overview import overview
from baton.web.pages.pools import pools
from baton.web.pages.queues import queues
from baton.web.pages.run import run
from baton.web.pages.runs import runs
from baton.web.pages.schedules import schedules
from baton.web.pages.step import step
from baton.web.pages.steps import steps
from baton.web.pages.usage import usage
from baton.web.rendering import Page
from baton.web.view import View

Answer: TypeAlias = Page | Response

PAGES: Mapping[str, Callable[[View], Awaitable[Answer]]] = {
    "": overview,
    "runs": runs,
    "run": run,
    "steps": steps,
    "step": step,
    "data": data,
    "debug": debug,
    "usage": usage,
    "queues": queues,
    "pools": pools,
    "schedules": schedules,
    "limits": limits,
    "doctor": doctor,
    "confirm": confirm,
    "events": changes,
    "interventions": interventions,
}
"""By the path within the dashboard."""
